# Every operation of Relay, Inside Rx, Bastion and PayPal, as operators ask for it: done, refused in the documented ways, and with
# each fault. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

use constant { YES => JSON::PP::true, NO => JSON::PP::false };

my $payouts = Murallink::Payouts->new;
my $client = $payouts->stack->client;
my $url = $payouts->stack->{sandbox_url};
my $json = JSON::PP->new->canonical;
my $number = 0;
my %proved;
my %configured = (
	relay => [ { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' } ],
	inside_rx => [ { group => 'SAVE11' }, { api_key => 'inside-rx-key' } ],
	bastion => [ { plan_id => 85, policy_id => 2058, country => 162 },
		{ username => 'murallink', password => 'sandbox', webhook_access_key => 'a key long enough' } ],
	paypal => [ {}, { client_id => 'murallink', client_secret => 'sandbox' } ]);
configure($_) foreach sort keys %configured;

my %welcome = (first_name => 'Ann', ssn_last4 => '0034', input_parameters => { input_visit => '1' },
	addresses => [ { address1 => '1 Road', city => 'Radnor', state_province => 'PA', postal_code => '19087', country => 'US' } ],
	notification_channels => [ { channel_type => 'sms', channel_addr => '6105551212', consent_type => 'written' } ]);
my %name = (first_name => 'Ann', last_name => 'Doe', dob => '1980-03-23', gender => 'female', phone => '5125458080',
	email => 'ann@example.com', address => { line1 => '1 Road', city => 'Austin', state => 'TX', zip => '78701', zip_extension => '1234' });
my %dates = (start_date => '2018-09-26', end_date => '2019-09-26', origin_date => '2018-01-01');
my %member = (first_name => 'John', last_name => 'Doe', dob => '1962-01-10', gender => 'Male',
	phone => '2349029111111', relation => 'Friend', marital_status => 'Single', state => 15, city => 271, address => '1 Road');
my %details = map { $_ => $member{$_} } qw(first_name last_name dob gender phone address);

# What is known of each operation. as: the sandbox's name of it; params: such as are done, made for each call; facts: what the
# answer tells; ledger: the kind of its entry, and the key there of a field of params, where it changes something; repeated: it
# is asked again, which does no harm; refused: what the partner refuses, with status and words.
my %operations = (
	'relay onboard' => {
		as => 'relay.onboard', params => sub { return { %welcome, ccid => fresh() } }, ledger => [qw(text ccid ccid)],
		facts => { numbers => { 16105551212 => 'mobile' }, message => 'Accepted' },
		refused => [ [ { ext => { colour => 'red' } }, 400, 'customer.ext.colour: is not known' ],
			[ { ccid => 'moved', product_group_id => 'other' }, 409, 'Conflict - the patient is assigned to another product group' ] ] },
	'bastion change_password' => {
		as => 'bastion.changePassword', ledger => ['password_change'],
		params => sub { return {} }, facts => { message => 'Password Successfully updated!' } },
	'bastion reset_password' => {
		as => 'bastion.resetPassword', params => sub { return { email => 'vendor@example.org' } }, ledger => ['password_reset'],
		facts => { message => 'Successful!' }, refused => [ [ { email => 'nobody@example.org' }, 404, 'email: is not known' ] ] },
	'bastion endorse' => {
		as => 'bastion.addEndorsement', params => sub { return { %member, reference => fresh() } },
		ledger => [qw(endorsement reference reference)], facts => { plan_id => '85', policy_id => '2058', dob => '1962-01-10' },
		refused => [ [ { plan_id => 1 }, 404, 'plan_id: is not known' ], [ { policy_id => 1 }, 400, 'policyId: is not known' ],
			[ { city => 1 }, 400, 'customer: country, state and city are not known together' ],
			[ { pre_existing_condition => YES, condition => ['1'] }, 400, 'customer: condition is not known' ] ] },
	'bastion remove' => {
		as => 'bastion.removeEndorsement', params => sub { return { member_id => member() } }, ledger => [qw(removal memberId member_id)],
		facts => { policy_id => '2058' },
		refused => [ [ { member_id => '1' }, 404, 'memberId: is not known' ], [ { policy_id => 1 }, 400, "policyId: is not the member's" ] ] },
	'bastion undo_remove' => {
		as => 'bastion.undoDelete', ledger => [qw(restoration memberId member_id)], facts => { plan_id => '85' },
		params => sub { my $id = member(); ask('bastion remove', { member_id => $id }); return { member_id => $id } },
		refused => [ [ { member_id => '1' }, 404, 'memberId: is not known' ], [ { member_id => member() }, 400, 'memberId: is not Deleted' ] ] },
	'bastion change_plan' => {
		as => 'bastion.updateMemberPlan', ledger => [qw(plan_change memberId member_id)], facts => { plan_id => '86' },
		params => sub { return { member_id => member(), old_plan_id => 85, new_plan_id => 86 } },
		refused => [ [ { member_id => '1' }, 404, 'memberId: is not known' ], [ { old_plan_id => 86 }, 400, "oldPlanId: is not the member's" ],
			[ { new_plan_id => 1 }, 404, 'newPlanId: is not known' ] ] },
	'bastion change_details' => {
		as => 'bastion.updateEnrolleeDetails', ledger => [qw(details_change memberId member_id)], repeated => 1,
		params => sub { return { %details, member_id => member(), first_name => 'Jonny' } }, facts => { dob => '1962-01-10' },
		refused => [ [ { member_id => '1' }, 404, 'memberId: is not known' ], [ { policy_id => 1 }, 400, "policyId: is not the member's" ] ] },
	'bastion webhook' => {
		as => 'bastion.config', params => sub { return { webhook_url => 'http://127.0.0.1:9/' . fresh() } },
		ledger => [qw(webhook_config webhookURL webhook_url)], repeated => 1, facts => { message => 'Configuration updated successfully!' } },
	'bastion cities' => {
		as => 'bastion.cities', params => sub { return { state_id => 15 } }, repeated => 1,
		facts => { message => 'Cities Retrieved Successfully!' }, refused => [ [ { state_id => 'x' }, 400, 'state_id: must be digits' ] ] },
	'bastion providers' => {
		as => 'bastion.providers', params => sub { return { provider_type => 'Hospital', plan_id => 85 } }, repeated => 1,
		facts => { message => 'Providers List Retrieved Successfully!' }, refused => [ [ { plan_id => 'x' }, 400, 'plan_id: must be digits' ] ] },
	'bastion plan' => {
		as => 'bastion.plan', params => sub { return { id => 10052 } }, repeated => 1,
		facts => { message => 'Broker Plan Retrieved Successfully!' }, refused => [ [ { id => 1 }, 404, 'id: is no plan' ] ] },
	'bastion member_status' => { as => 'bastion.enrolleeStatus', facts => { status => 'Active', message => 'Member Status Details' } },
	'bastion member_plan' => { as => 'bastion.enrolleePlan', facts => { plan_id => '85', message => 'Member Plan Details' } },
	'bastion utilization' => { as => 'bastion.enrolleeUtilization', facts => { balance => '9999999', total_spent => '999', provider => 'ABC Health' } },
	'bastion plans' => { as => 'bastion.plans', facts => { message => 'Broker Plans Retrieved Successfully!' } },
	'bastion conditions' => { as => 'bastion.conditions', facts => { message => 'Successful!' } },
	'bastion states' => { as => 'bastion.states', facts => { message => 'States/Regions Retrieved Successfully!' } });
my $a_member = member();
foreach my $operation (qw(member_status member_plan utilization))
{
	$operations{"bastion $operation"} = { %{ $operations{"bastion $operation"} }, repeated => 1,
		params => sub { return { member_id => $a_member } }, refused => [ [ { member_id => '1' }, 404, 'memberId: is not known' ] ] };
}
$operations{"bastion $_"} = { %{ $operations{"bastion $_"} }, repeated => 1, params => sub { return {} } } foreach qw(plans conditions states);
foreach my $what (qw(card person))
{
	my $create = sub { return { action => 'create', member_id => fresh(), $what eq 'person' ? %name : () } };
	my $update = sub { my $made = $create->(); ask("inside_rx enroll_$what", $made); return { %$made, action => 'update', @_ } };
	my %params = (create => $create, update => sub { return $update->(active => YES, last_name => 'Roe', %dates) },
		deactivate => sub { return $update->(active => NO) });
	$operations{"inside_rx enroll_$what $_"} = {
		as => "inside_rx.$what", params => $params{$_}, ledger => [qw(enrollment memberId member_id)], repeated => 1, facts => {},
		refused => [ $_ eq 'create' ? [ { member_id => 'there' }, 400, 'Enrollment Already Exists. Use update action instead.' ]
			: [ { member_id => 'nobody' }, 404, 'Member not found.' ] ] } foreach keys %params;
	ask("inside_rx enroll_$what", { %{ $create->() }, member_id => 'there' });
}
ask('relay onboard', { %welcome, ccid => 'moved' });
my $batch = $payouts->sql(q{SELECT murallink_private.call_make('paypal', 'request', NULL, 'pay',
	'{"reference": "b", "amount": "75.00", "currency": "USD", "account": {"email": "ann@example.org"}}', false)});
$payouts->wait_for("SELECT status = 'done' FROM murallink_private.call WHERE uid = '$batch'");
$batch = $payouts->sql("SELECT facts ->> 'batch_id' FROM murallink_private.call WHERE uid = '$batch'");
$operations{'paypal batch'} = {
	as => 'paypal.batch', repeated => 1, params => sub { return { batch_id => $batch } }, facts => { batch_id => $batch, status => 'SUCCESS' },
	refused => [ [ { batch_id => 'none' }, 404, 'INVALID_RESOURCE_ID' ], [ { page_size => 1001 }, 400, 'VALIDATION_ERROR: page_size' ] ] };
my $item = ask('paypal batch', { batch_id => $batch })->{facts}{items}[0]{item_id};
$operations{'paypal item'} = {
	as => 'paypal.item', repeated => 1, params => sub { return { item_id => $item } }, facts => { item_id => $item, status => 'SUCCESS' },
	refused => [ [ { item_id => 'none' }, 404, 'INVALID_RESOURCE_ID' ] ] };

# What each partner may answer to any operation: status, and body where it is not the sandbox's; for each of them the request
# is refused.
my %refusals = (
	relay => [ [400], [404], [409] ],
	inside_rx => [ [ 400, 'Incorrect or missing required parameters.' ], [ 403, 'Lack of permissions to process enrollment.' ],
		[ 404, 'Member not found.' ] ],
	paypal => [ [ 400, 'INVALID_REQUEST' ], [ 403, 'NOT_AUTHORIZED' ], [ 404, 'INVALID_RESOURCE_ID' ], [ 422, 'UNPROCESSABLE_ENTITY' ] ],
	bastion => [ [400], [404], [409], [422], [ 200, 'no', '{"status": false, "message": "no"}' ], [ 200, 'no', '{"data": {"success": false, "message": "no"}}' ],
		[ 200, 'no', '{"status": true, "data": {"success": 0, "message": "no"}}' ] ]);

# What may befall a call, and whether it was applied.
my @faults = (
	[ 'a 500, before', 0, when => 'before', action => 'answer', status => 500 ],
	[ 'a 500, after', 1, when => 'after', action => 'answer', status => 500 ],
	[ 'the connection is lost before', 0, when => 'before', action => 'close' ],
	[ 'the connection is lost after', 1, when => 'after', action => 'reset' ],
	[ 'half an answer', 1, when => 'after', action => 'truncate' ],
	[ 'the answer comes too late', 1, when => 'after', action => 'delay', delay_ms => Murallink::Payouts::HELD ]);

note 'done';
foreach my $operation (sort keys %operations)
{
	my $row = $operations{$operation};
	my $params = $row->{params}->();
	my $entries = entries_of($row, $params);
	my $answer = ask($operation, $params);
	my %facts = map { $_ => $answer->{facts}{$_} } keys %{ $row->{facts} };
	is("$answer->{status} $answer->{http_status}", 'done 200', "$operation: done");
	is_deeply(\%facts, $row->{facts}, "$operation: what it tells");
	is(entries_of($row, $params) - $entries, 1, "$operation: in truth") if $row->{ledger};
	proved(done => $operation);
}
is(scalar @{ ask('bastion plan', { id => 10052 })->{facts}{plans} }, 1, 'one plan');
is_deeply([ map { $_->{id} } @{ ask('bastion conditions', { query => 'abdominal pregnancy' })->{facts}{conditions} } ], ['651'], 'some conditions');

note 'refused';
foreach my $operation (sort keys %operations)
{
	my $row = $operations{$operation};
	my ($partner) = $operation =~ /^(\S+)/;
	my $params = $row->{params}->();
	foreach my $refused (@{ $row->{refused} // [] })
	{
		my ($more, $status, $words) = @$refused;
		refused($operation, { %$params, %$more }, $status, $words);
	}
	foreach my $refusal (@{ $refusals{$partner} })
	{
		my ($status, $words, $body) = @$refusal;
		$payouts->fault(operation => $row->{as}, when => 'before', action => 'answer', status => $status, count => 1, $body ? (body => $body) : ());
		refused($operation, $params, $status, $words // 'a fault on purpose');
	}
	proved(refused => $operation);
}

note 'faults';
foreach my $fault (@faults)
{
	my ($what, $applied, %fault) = @$fault;
	# Before the partners are called, because a call that signs in would be sent alone, and fail before the others.
	configure($_, { timeout => $fault{delay_ms} ? 5 : 30 }) foreach keys %configured;
	my @asked = grep { $_ ne 'bastion change_password' } sort keys %operations;
	my @groups = ([ grep { !/ (update|deactivate)$/ } @asked ], [ grep { / update$/ } @asked ], [ grep { / deactivate$/ } @asked ], ['bastion change_password']);
	foreach my $group (@groups)
	{
		my %params = map { $_ => $operations{$_}{params}->() } @$group;
		my %before = map { $_ => entries_of($operations{$_}, $params{$_}) } @$group;
		$payouts->fault(operation => $operations{$_}{as}, count => 1, %fault) foreach @$group;
		my @uids = begin(map { ($_, $params{$_}) } @$group);
		foreach my $operation (@$group)
		{
			my $row = $operations{$operation};
			my $uid = shift @uids;
			is(await($uid)->{status}, $row->{repeated} ? 'done' : 'in_doubt', "$operation: $what");
			proved($what => $operation);
			my $entries = entries_of($row, $params{$operation}) - $before{$operation};
			my $created = $operation =~ /create$/;
			is($entries, $row->{repeated} && ($created || !$applied) ? 1 : $row->{repeated} ? 2 : $applied, "$operation: and its entries") if $row->{ledger};
			next if $row->{repeated};
			$payouts->call(resolve_task => $uid, $applied ? 'true' : 'false', 'the ledger tells');
			$configured{bastion}[1]{password} = password() if $operation eq 'bastion change_password';
		}
		$payouts->no_fault;
	}
}
configure($_, { timeout => 30 }) foreach keys %configured;
my $known = $payouts->sql(q{SELECT string_agg(DISTINCT partner || ' ' || operation, E'\n' ORDER BY partner || ' ' || operation) FROM murallink.partner_operations()});
is(join("\n", sort keys %{ $proved{$_} }), $known, "every operation has been tried: $_") foreach qw(done refused), map { $_->[0] } @faults;
is((entries('details_change'))[-1]{customer}{firstName}, 'Jonny', 'what is repeated says the same again');

note 'Relay';
setting('relay.landlines' => '16105559999');
is(ask('relay onboard', { %welcome, ccid => 'B', notification_channels =>
	[ { channel_addr => '6105559999', consent_type => 'express' } ] })->{status}, 'done', 'with a landline');
is($payouts->sql('SELECT number, result FROM murallink.relay_numbers() ORDER BY number'),
	"16105551212|mobile\n16105559999|landline", 'what Relay found out is kept');
is(count('text', ccid => 'B'), 0, 'no text');
configure('relay', { client_id => 'nobody' });
refused('relay onboard', { %welcome, ccid => 'C' }, 404, 'Not Found - The requested resource was not found. Please verify the route parameter.');
configure('relay', { client_id => 'murallink' }, { api_key => 'wrong' });
my ($unauthorized) = begin('relay onboard', { %welcome, ccid => 'F' });
$payouts->wait_for("SELECT attempt > 0 AND status = 'ready' AND reason = 'HTTP 401: Unauthorized' FROM murallink.partner_tasks('$unauthorized')");
configure('relay');
is(await($unauthorized)->{status}, 'done', 'a wrong key delays, no more');

note 'Inside Rx';
setting('inside_rx.groups' => 'OTHER');
refused('inside_rx enroll_card', { action => 'create', member_id => 'A2' }, 403, 'Lack of permissions to process enrollment.');
setting('inside_rx.groups' => '');
is(ask('inside_rx enroll_person', { %name, action => 'create', member_id => 'there', or_update => YES, last_name => 'Poe' })->{status}, 'done', 'or an update');
is((entries('enrollment', memberId => 'there', type => 'person'))[-1]{lastName}, 'Poe', 'with what is new');
ok(!(entries('enrollment', action => 'update', active => NO))[-1]{active}, 'deactivated in truth');
configure('inside_rx', {}, { api_key => 'wrong' });
refused('inside_rx enroll_card', { action => 'create', member_id => 'A2' }, 403, 'Lack of permissions to process enrollment.');
configure('inside_rx');

note 'its codes';
$payouts->sql(<<'EOC');
CREATE FUNCTION public.code_of(operation text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    PERFORM murallink.partner_request('inside_rx', operation, params);
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN substring(hint FROM 'error code is (.*)\.');
END
$$
EOC
my %wrong = (ACTION => 'action', ACTIVE => 'active', MEMBER_ID => 'member_id', GROUP => 'group', FIRST_NAME => 'first_name', LAST_NAME => 'last_name',
	GENDER => 'gender', DOB => 'dob', EMAIL => 'email', PHONE => 'phone', ADDRESS => 'address', ADDRESS_STATE => 'address.state',
	ADDRESS_ZIP => 'address.zip', ADDRESS_ZIP_EXT => 'address.zip_extension', START_DATE => 'start_date', END_DATE => 'end_date', ORIGIN_DATE => 'origin_date');
is(scalar keys %wrong, 17, 'the document has 17');
my $requests = requests('enrollment');
foreach my $what (qw(card person))
{
	foreach my $wrong (sort keys %wrong)
	{
		my $code = "${wrong}_INCORRECT_OR_MISSING";
		my ($field, $within) = split /\./, $wrong{$wrong};
		my %params = (%name, action => 'create', member_id => fresh());
		my %more = $within ? (address => { %{ $name{address} }, $within => 'x' }) : ($field => 7);
		is($payouts->sql("SELECT public.code_of('enroll_$what', '" . $json->encode({ %params, %more }) . "')"), $code, "$what, $code: raised here");
		is(requests('enrollment'), $requests, 'before anything is sent');
		$payouts->fault(operation => "inside_rx.$what", when => 'before', action => 'answer', status => 400, count => 1, body =>
			$json->encode({ id => 'x', message => 'Incorrect or missing required parameters.', statusCode => 400, errorCode => $code }));
		my $answer = refused("inside_rx enroll_$what", \%params, 400, 'Incorrect or missing required parameters.');
		is("$answer->{facts}{code} $answer->{facts}{field}", "$code $wrong{$wrong}", 'and understood when it comes back');
		$requests++;
	}
}
setting('inside_rx.required' => 'phone');
is(ask('inside_rx enroll_card', { action => 'create', member_id => fresh() })->{facts}{code}, 'PHONE_INCORRECT_OR_MISSING', 'as where an account requires more');
setting('inside_rx.required' => '');

note 'Bastion: lists';
$payouts->call('refresh_bastion');
$payouts->wait_idle;
is($payouts->sql("SELECT count(*) > 0 FROM murallink.bastion_$_"), 't', "$_: kept") foreach qw(plan condition state city provider);
my %types = (1 => 'Hospital', 2 => 'Pharmacy', 3 => 'Optical / Ophthalmology', 5 => 'Physiotherapist', 6 => 'Dentist', 7 => 'Polyclinic', 8 => 'Doctor',
	9 => 'Ambulatory Center', 10 => 'Diagnostic Centres', 11 => 'Radiology', 12 => 'Medical Supplies Company', 13 => 'Gym/Fitness Centres',
	14 => 'Mental Wellbeing', 15 => 'Child Care', 16 => 'Maternal Health', 17 => 'Emergency Service', 18 => 'Public Health Facility');
is(ask('bastion providers', { provider_type => $types{$_}, search_text => 'ABC Health & Söhne', state_id => 15, city_id => 271, plan_id => 85 })->{status}, 'done', $types{$_})
  foreach sort { $a <=> $b } keys %types;
is(join(' ', map { $_->{arguments}{provider_type} } (grep { ($_->{arguments}{search_text} // '') =~ /ABC/ } $payouts->requests)),
	join(' ', sort { $a <=> $b } keys %types), 'as the numbers of the document');

note 'Bastion: enumerations and conditions';
my %enumerations = (
	marital_status => [ maritalStatus => 1 => qw(Single Married Divorced Widowed SingleParents) ],
	genotype => [ genotype => 1 => qw(AA AO BB BO OO AS) ],
	blood_group => [ bloodGroup => 1 => qw(A+ O+ B+ AB+ A- O- B- AB-) ],
	religion => [ religion => 1 => qw(Islam Christianity Hinduism Buddhism Other) ],
	relation => [ relation => 0 => qw(Spouse Son Sibling Daughter Mother Father), 'Grand Father', 'Grand Mother', qw(Cousin Friend) ],
	gender => [ gender => 0 => qw(Male Female) ]);
foreach my $turn (0 .. 9)
{
	my %more = (reference => fresh());
	my %expected;
	foreach my $field (keys %enumerations)
	{
		my ($wire, $numbered, @choices) = @{ $enumerations{$field} };
		my $place = $turn % @choices;
		$more{$field} = $choices[$place];
		$expected{$wire} = $numbered ? $place + 1 : $choices[$place];
	}
	my $has = $turn % 2;
	@more{qw(pre_existing_condition condition)} = $has ? (YES, ['651']) : (NO, undef);
	$expected{preExistingCondition} = $has;
	is(ask('bastion endorse', { %member, %more })->{status}, 'done', "enumerations, turn $turn");
	my ($entry) = entries('endorsement', reference => $more{reference});
	is_deeply({ map { $_ => $entry->{customer}{$_} } keys %expected }, \%expected, 'are the numbers of the document');
	is_deeply($entry->{customer}{condition}, $has ? ['651'] : undef, 'with conditions, or none');
}
is($payouts->refusal(partner_request => 'bastion', 'endorse', { %member, reference => 'x', pre_existing_condition => YES }), 'missing_field', 'who has one says which');
is($payouts->refusal(partner_request => 'bastion', 'endorse', { %member, reference => 'x', condition => ['651'] }), 'invalid_value', 'who has none, none');
is($payouts->refusal(partner_request => 'bastion', 'endorse', { %member, reference => 'x', relation => 'Self' }), 'invalid_value', 'Self is no relation');
setting('bastion.reference' => 'unique');
refused('bastion endorse', { %member, reference => (entries('endorsement'))[0]{reference} }, 409, 'reference: has been used');
setting('bastion.reference' => 'repeatable');
foreach my $refusal (qw(200 success))
{
	setting('bastion.refusal' => $refusal);
	refused('bastion remove', { member_id => '1' }, 200, 'memberId: is not known');
}
setting('bastion.refusal' => '4xx');

note 'Bastion: the webhook settles what is in doubt';
is(ask('bastion webhook', { webhook_url => 'http://127.0.0.1:9/rpc/bastion_event' })->{status}, 'done', 'configured');
is((entries('webhook_config'))[-1]{webhookAccessKey}, 'a key long enough', 'with our key');
$payouts->stack->start_postgrest;
my $hook = $payouts->stack->{url} . '/rpc/bastion_event';
is(ask('bastion webhook', { webhook_url => $hook })->{status}, 'done', 'to PostgREST');
setting('bastion.webhook' => 'held', 'bastion.webhook_times' => 2, 'bastion.webhook_order' => 'newest');
my @doubtful = map {
	$payouts->fault(operation => 'bastion.addEndorsement', when => 'after', action => 'close', count => 1);
	my ($uid) = begin('bastion endorse', { %member, first_name => 'Joan', last_name => $_, reference => "lost $_" });
	is(await($uid)->{status}, 'in_doubt', 'an endorsement in doubt');
	$uid
} qw(A B);
setting('bastion.webhook' => 'on');
foreach my $name (qw(A B))
{
	my $settled = shift @doubtful;
	$payouts->wait_for("SELECT status = 'done' FROM murallink.partner_tasks('$settled')");
	is(await($settled)->{facts}{member_id}, (entries('endorsement', reference => "lost $name"))[0]{memberId},
		'is done when the event comes');
}
$payouts->wait_for('SELECT count(*) = 2 AND bool_and(times = 2) FROM murallink.bastion_events()');
my $told = sub { return grep { ($_->{webhookURL} // '') eq $hook } entries('webhook') };
Murallink::Stack::poll('the ledger to have the events', sub { $told->() == 4 });
is(join(' ', map { $_->{status} } $told->()), '204 204 204 204', 'each time it comes');
setting('bastion.webhook' => 'off');

note 'Bastion: what else may come to the webhook';
my %event = (accessKey => 'a key long enough', event => 'plan-renamed', data => { planId => 1, words => 'Prüfung' });
is(hook($json->encode({ %event, accessKey => $_ })), '401 wrong_access_key accessKey', "not with the key '$_'") foreach '', 'a long', 'a key long enough ', 'A long key';
is(hook($json->encode({ %event, accessKey => $_ })), '401 wrong_access_key accessKey', 'nor with none') foreach undef, ['a key long enough'], { 'a key long enough' => 1 };
is(hook($_), '401 wrong_access_key accessKey', "nor with $_") foreach '[]', 'null', '"a key long enough"', '{}';
is(hook($json->encode(\%event)), '204 ', 'what is not known is answered') foreach 1 .. 3;
is($payouts->sql(q{SELECT content, times FROM murallink.bastion_events() WHERE event = 'plan-renamed'}),
	'{"data": {"words": "Prüfung", "planId": 1}, "event": "plan-renamed"}|3', 'and kept, without the key');
is(hook($json->encode({ %event, event => $_->[0] })), "400 $_->[1] event", "an event has a name: $_->[1]") foreach [ undef, 'missing_field' ], [ 'x' x 101, 'too_long' ];
is(hook($json->encode({ %event, data => 'x' x 5_000_000 })), '400 too_long data', 'of what is huge nothing is kept');
is(hook($json->encode({ accessKey => 'x' x 5_000_000 })), '401 wrong_access_key accessKey', 'a huge key');
like(hook($_), qr/^400 /, 'a body that is too deep, or no JSON') foreach '[' x 3000 . ']' x 3000, '', '{', '{"accessKey": "a key long enough", "event": "\u0000"}', "\xff";
like(hook($json->encode(\%event), 'Content-Type' => $_), qr/^4\d\d /, "$_ is refused") foreach 'text/plain', 'application/xml', 'application/octet-stream', 'application/x-www-form-urlencoded';
isnt(($client->request('GET', "$hook?accessKey=a%20long%20key"))[0], 204, 'GET tells nothing');
is($payouts->sql('SELECT count(*) FROM murallink.bastion_events()'), 3, 'and nothing of all that is kept');

note 'Bastion: sessions and passwords';
setting('bastion.token_calls' => 1);
is(ask('bastion plans')->{status}, 'done', 'a token that has ended is renewed') foreach 1 .. 3;
my %once = (%member, reference => fresh());
is(ask('bastion endorse', \%once)->{status}, 'done', 'also where a call must not be repeated');
is(count('endorsement', reference => $once{reference}), 1, 'which is done once');
foreach my $fault (@faults)
{
	my ($what, undef, %fault) = @$fault;
	configure('bastion', { timeout => $fault{delay_ms} ? 5 : 30 });
	$payouts->fault(operation => 'bastion.generateAuthToken', count => 1, %fault);
	is(ask('bastion plans')->{status}, 'done', "signing in: $what");
}
setting('bastion.token_calls' => 0);
configure('bastion', { token_expires => 2, timeout => 30 });
my $first = token();
$payouts->wait_for("SELECT clock_timestamp() > '" . $payouts->sql('SELECT clock_timestamp()') . q{'::timestamptz + interval '1.9 s'});
isnt(token(), $first, 'before it ends');
configure('bastion', {}, { password => 'forgotten' });
my ($locked_out) = begin('bastion plans', {});
is(ask('bastion reset_password', { email => 'vendor@example.org' })->{status}, 'done', 'who cannot sign in resets the password');
is($payouts->sql("SELECT status, attempt FROM murallink.partner_tasks('$locked_out')"), 'ready|0', 'the rest waits');
configure('bastion');
is(await($locked_out)->{status}, 'done', 'until there is one that works');

note 'what the documents leave open';
setting('bastion.bearer' => 'prefix', 'bastion.relation_self' => 'allowed', 'bastion.dob' => 'iso');
configure('bastion', { bearer_prefix => YES, relation => 'Self' });
foreach my $numbers (qw(text number))
{
	setting('bastion.numbers' => $numbers);
	my $facts = ask('bastion endorse', { %member, reference => fresh(), relation => undef })->{facts};
	is("$facts->{plan_id} $facts->{dob} $facts->{relation}", '85 1962-01-10 Self', "answers with identifiers as $numbers");
	is(ask('bastion member_plan', { member_id => $facts->{member_id} })->{facts}{member_id}, $facts->{member_id}, 'and of the member');
	is(ask('bastion plan', { id => 85 })->{facts}{plans}[0]{id}, '85', 'and of a plan');
}
setting('inside_rx.update' => 'replace', 'inside_rx.active' => 'true');
ask('inside_rx enroll_person', my $whole = { %name, %dates, action => 'create', member_id => fresh() });
is(ask('inside_rx enroll_person', { %$whole, action => 'update', active => NO })->{status}, 'done', 'an update says everything');
my ($left) = reverse entries('enrollment', memberId => $whole->{member_id});
is_deeply([ @$left{qw(firstName phone startDate)}, !$left->{active} ], [ @$whole{qw(first_name phone start_date)}, 1 ], 'so that nothing is lost');
setting('relay.unresolved' => '16105551212');
is(ask('relay onboard', { %welcome, ccid => fresh() })->{facts}{numbers}{16105551212}, 'type-not-resolved', 'a number of which nothing is known');

note 'a partner that fails is left alone, and the others go on';
$payouts->fault(operation => 'dash.*', when => 'before', action => 'answer', status => 500);
$payouts->patients(1);
my ($waiting) = $payouts->approve(1);
$payouts->wait_for(q{SELECT breaker = 'open' AND failures > 3 FROM murallink.worker_status() WHERE partner = 'dash'});
is(ask('relay onboard', { %welcome, ccid => 'G' })->{status}, 'done', 'Relay is asked while Dash fails');
is($payouts->sql('SELECT partner FROM murallink.worker_status() WHERE failures > 0'), 'dash', 'which the status tells');
$payouts->no_fault;
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$waiting'");
pass('and Dash is called again when it works');
done_testing();

# Configures a partner as it was, with further settings and, for once, other secrets.
sub configure
{
	my ($partner, $settings, $secrets) = @_;
	my $known = $configured{$partner};
	$known->[0] = { %{ $known->[0] }, %{ $settings // {} } };
	return $payouts->call(configure_partner => $partner, $url, $known->[0], { %{ $known->[1] }, %{ $secrets // {} } });
}

sub setting { my (%settings) = @_; return $payouts->sandbox('POST', 'settings', \%settings) }

# A text that was not used before.
sub fresh { return 'fresh' . ++$number }

# The id of a new member.
sub member { return ask('bastion endorse', { %member, reference => fresh() })->{facts}{member_id} }

# The password that Bastion has, by our books.
sub password
{
	return $payouts->sql(q{SELECT secrets ->> 'password' FROM murallink_private.partner_secret s
		JOIN murallink_private.partner p ON p.uid = s.partner_uid WHERE p.name = 'bastion'});
}

# Asks partners together, operation and params in turn, and returns the uids.
sub begin
{
	my (@asked) = @_;
	my @calls;
	while (my ($operation, $params) = splice @asked, 0, 2)
	{
		my ($partner, $name) = split ' ', $operation;
		configure('bastion', {}, { new_password => fresh() }) if $name eq 'change_password';
		push @calls, Murallink::Stack::call(partner_request => $partner, $name, $params // {});
	}
	return split /\|/, $payouts->sql('SELECT ' . join ', ', map { "($_)" } @calls);
}

sub await { my ($uid) = @_; return $json->decode($payouts->call(await_partner => $uid, 120)) }

# Asks a partner, and returns what await_partner() answers.
sub ask
{
	my ($operation, $params) = @_;
	my ($uid) = begin($operation, $params);
	my $answer = await($uid);
	$configured{bastion}[1]{password} = password() if $operation eq 'bastion change_password';
	return $answer;
}

# The same, of what is to be refused with that HTTP status, in these words.
sub refused
{
	my ($operation, $params, $status, $words) = @_;
	my $answer = ask($operation, $params);
	is("$answer->{status} $answer->{http_status} $answer->{reason}", "declined $status HTTP $status: $words", "$operation: refused");
	return $answer;
}

# Remembers what an operation was tried for.
sub proved
{
	my ($what, $operation) = @_;
	my ($name) = $operation =~ /^(\S+ \S+)/;
	return $proved{$what}{$name}++;
}

sub entries { return $payouts->entries(@_) }

sub count { return scalar(() = entries(@_)) }

# How many entries of its ledger are of what an operation was asked with.
sub entries_of
{
	my ($row, $params) = @_;
	my ($kind, $key, $field) = @{ $row->{ledger} // return 0 };
	return count($kind, $key ? ($key => $params->{$field}) : ());
}

# How many calls have come with that in their path.
sub requests { my ($path) = @_; return scalar grep { $_->{path} =~ /$path/ } $payouts->requests }

# The answer to what is sent to Bastion's webhook: the status, and the error.
sub hook
{
	my ($body, %headers) = @_;
	my ($status, $answer) = $client->request('POST', $hook, $body, \%headers);
	return "$status " . (ref $answer eq 'HASH' ? ($answer->{details} // '') =~ tr/://dr : '');
}

# The token that a call has.
sub token
{
	ask('bastion plans');
	my ($request) = grep { $_->{path} =~ /plans/ } reverse $payouts->requests;
	return $request->{headers}{'api-key'};
}
