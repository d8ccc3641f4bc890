# Every operation of Relay, Inside Rx and Bastion, as operators ask for it: done, refused in the documented ways, and
# with a lost answer. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $client = $payouts->stack->client;
my $url = $payouts->stack->{sandbox_url};
my $json = JSON::PP->new->canonical;
my %secrets = (username => 'murallink', password => 'sandbox', webhook_access_key => 'a long key');
configure(relay => { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' });
configure(inside_rx => { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
configure(bastion => { plan_id => 85, policy_id => 2058, country => 162 }, \%secrets);

note 'Relay';
my %welcome = (ccid => 'A', first_name => 'Ann', ssn_last4 => '0034', input_parameters => { input_visit => '1' },
	addresses => [ { address1 => '1 Road', city => 'Radnor', state_province => 'PA', postal_code => '19087', country => 'US' } ],
	notification_channels => [ { channel_type => 'sms', channel_addr => '6105551212', consent_type => 'written' } ]);
setting('relay.landlines' => '16105559999');
is(ask(relay => 'onboard', \%welcome)->{status}, 'done', 'onboarded');
is(ask(relay => 'onboard', { %welcome, ccid => 'B', notification_channels =>
	[ { channel_addr => '6105559999', consent_type => 'express' } ] })->{status}, 'done', 'with a landline');
is($payouts->sql('SELECT number, result FROM murallink.relay_numbers() ORDER BY number'),
	"16105551212|mobile\n16105559999|landline", 'what Relay found out is kept');
is(count('text'), 1, 'one text');
refused(relay => 'onboard', { %welcome, product_group_id => 'other' }, 409);
configure(relay => { client_id => 'nobody', product_group_id => 'default' }, { api_key => 'relay-key' });
refused(relay => 'onboard', { %welcome, ccid => 'C' }, 404);
configure(relay => { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' });
refused_by_answer('relay.onboard', 400, relay => 'onboard', { %welcome, ccid => 'C' });
is(lost('relay.onboard', relay => 'onboard', { %welcome, ccid => 'D' })->{status}, 'in_doubt', 'a lost answer is not asked for again');
is(count('text', ccid => 'D'), 1, 'and the patient is texted once');
is(lost('relay.onboard', relay => 'onboard', { %welcome, ccid => 'E' }, action => 'answer', status => 500)->{status}, 'in_doubt', 'nor after a 500');
configure(relay => { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'wrong' });
my $unauthorized = begin(relay => 'onboard', { %welcome, ccid => 'F' });
$payouts->wait_for("SELECT attempt > 0 AND status = 'ready' AND reason LIKE 'HTTP 401%' FROM murallink.partner_tasks('$unauthorized')");
configure(relay => { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' });
is(await($unauthorized)->{status}, 'done', 'a wrong key delays, no more');

note 'Inside Rx';
my %card = (action => 'create', member_id => 'A1');
my %person = (%card, member_id => 'P1', first_name => 'Ann', last_name => 'Doe', dob => '1980-03-23', gender => 'female',
	address => { line1 => '1 Road', city => 'Austin', state => 'TX', zip => '78701', zip_extension => '1234' });
is(ask(inside_rx => 'enroll_card', \%card)->{status}, 'done', 'a card');
is(ask(inside_rx => 'enroll_person', \%person)->{status}, 'done', 'a person');
refused(inside_rx => 'enroll_card', \%card, 400);
refused(inside_rx => 'enroll_person', { %person, action => 'update', active => JSON::PP::true, member_id => 'nobody' }, 404);
is(ask(inside_rx => 'enroll_person', { %person, or_update => JSON::PP::true, last_name => 'Roe' })->{status}, 'done', 'or an update');
is((entries('enrollment', memberId => 'P1'))[-1]{lastName}, 'Roe', 'with what is new');
is(ask(inside_rx => 'enroll_card', { %card, action => 'update', active => JSON::PP::false })->{status}, 'done', 'deactivated');
ok(!(entries('enrollment', memberId => 'A1'))[-1]{active}, 'in truth');
setting('inside_rx.groups' => 'OTHER', 'inside_rx.required' => 'phone');
refused(inside_rx => 'enroll_card', { %card, member_id => 'A2', phone => '5125458080' }, 403);
setting('inside_rx.groups' => '');
my $missing = refused(inside_rx => 'enroll_card', { %card, member_id => 'A2' }, 400);
is("$missing->{facts}{code} $missing->{facts}{field}", 'PHONE_INCORRECT_OR_MISSING phone', 'a code that comes back is understood');
setting('inside_rx.required' => '');
foreach my $operation (qw(card person))
{
	my %who = $operation eq 'card' ? %card : %person;
	is(lost("inside_rx.$operation", inside_rx => "enroll_$operation", { %who, member_id => "lost $operation" })->{status}, 'done',
		"$operation: what exists after a lost answer is done");
	is(scalar(entries('enrollment', memberId => "lost $operation")), 1, 'once');
}

note 'Bastion: lists';
$payouts->call('refresh_bastion');
$payouts->wait_idle;
is($payouts->sql("SELECT count(*) FROM murallink.bastion_$_") > 0, 1, "$_: kept") foreach qw(plan condition state city provider);
is(ask(bastion => 'plan', { id => 10052 })->{facts}{plans}[0]{id}, '10052', 'one plan');
refused(bastion => 'plan', { id => 1 }, 404);
is(scalar @{ ask(bastion => 'conditions', { query => 'abdominal' })->{facts}{conditions} } > 0, 1, 'some conditions');
is(ask(bastion => 'providers', { provider_type => 'Hospital', plan_id => 85 })->{status}, 'done', 'some providers');
foreach my $list (qw(plans conditions states cities providers))
{
	is(lost("bastion.$list", bastion => $list, $list eq 'cities' ? { state_id => 15 } : {})->{status}, 'done', "$list: asked again");
}

note 'Bastion: members';
my %member = (reference => 'r1', first_name => 'John', last_name => 'Doe', dob => '1962-01-10', gender => 'Male',
	phone => '2349029111111', relation => 'Friend', marital_status => 'Single', state => 15, city => 271, address => '1 Road',
	blood_group => 'AB-', genotype => 'AS', religion => 'Other', pre_existing_condition => JSON::PP::true, condition => ['651']);
my $id = ask(bastion => 'endorse', \%member)->{facts}{member_id};
like($id, qr/^\d+$/, 'endorsed');
refused(bastion => 'endorse', { %member, plan_id => 1 }, 404);
is(ask(bastion => 'member_status', { member_id => $id })->{facts}{status}, 'Active', 'status');
is(ask(bastion => 'member_plan', { member_id => $id })->{facts}{plan_id}, '85', 'plan');
ok(defined ask(bastion => 'utilization', { member_id => $id })->{facts}{balance}, 'utilization');
is(ask(bastion => 'change_plan', { member_id => $id, old_plan_id => 85, new_plan_id => 86 })->{facts}{plan_id}, '86', 'another plan');
my %details = map { $_ => $member{$_} } qw(first_name last_name dob gender phone address);
is(ask(bastion => 'change_details', { %details, member_id => $id, first_name => 'Jonny' })->{facts}{dob}, '1962-01-10', 'other details');
is(ask(bastion => 'remove', { member_id => $id })->{status}, 'done', 'removed');
is(ask(bastion => 'undo_remove', { member_id => $id })->{status}, 'done', 'and back');
my %asked = (member_status => 'enrolleeStatus', member_plan => 'enrolleePlan', utilization => 'enrolleeUtilization',
	undo_remove => 'undoDelete', remove => 'removeEndorsement', change_plan => 'updateMemberPlan',
	change_details => 'updateEnrolleeDetails');
my %more = (change_plan => { old_plan_id => 85, new_plan_id => 86 }, change_details => \%details);
foreach my $operation (sort keys %asked)
{
	refused(bastion => $operation, { %{ $more{$operation} // {} }, member_id => '1' }, 404);
}
foreach my $refusal (qw(200 success))
{
	setting('bastion.refusal' => $refusal);
	refused(bastion => 'remove', { member_id => '1' }, 200);
}
setting('bastion.refusal' => '4xx');
foreach my $operation (qw(member_status member_plan utilization change_details))
{
	is(lost("bastion.$asked{$operation}", bastion => $operation, { %{ $more{$operation} // {} }, member_id => $id })->{status},
		'done', "$operation: asked again");
}
my %lost = (change_plan => { old_plan_id => 86, new_plan_id => 85 });
foreach my $operation (qw(change_plan remove undo_remove))
{
	is(lost("bastion.$asked{$operation}", bastion => $operation, { %{ $lost{$operation} // {} }, member_id => $id })->{status},
		'in_doubt', "$operation: in doubt");
}
is(count($_, memberId => $id), 2, "$_: once each") foreach qw(plan_change removal restoration);

note 'Bastion: the webhook settles what is in doubt';
is(ask(bastion => 'webhook', { webhook_url => 'http://127.0.0.1:9/rpc/bastion_event' })->{status}, 'done', 'configured');
is((entries('webhook_config'))[-1]{webhookAccessKey}, 'a long key', 'with our key');
refused_by_answer('bastion.config', 400, bastion => 'webhook', { webhook_url => 'http://127.0.0.1:9/' });
is(lost('bastion.config', bastion => 'webhook', { webhook_url => 'http://127.0.0.1:9/' })->{status}, 'done', 'and again');
$payouts->stack->start_postgrest;
my $hook = $payouts->stack->{url} . '/rpc/bastion_event';
is(ask(bastion => 'webhook', { webhook_url => $hook })->{status}, 'done', 'to PostgREST');
setting('bastion.webhook' => 'held', 'bastion.webhook_times' => 2, 'bastion.webhook_order' => 'newest');
my %joan = (%member, first_name => 'Joan');
my @doubtful = map { begin_lost('bastion.addEndorsement', bastion => 'endorse', { %joan, last_name => $_, reference => "lost $_" }) } qw(A B);
is(await($_)->{status}, 'in_doubt', 'an endorsement in doubt') foreach @doubtful;
setting('bastion.webhook' => 'on');
foreach my $name (qw(A B))
{
	my $settled = shift @doubtful;
	$payouts->wait_for("SELECT status = 'done' FROM murallink.partner_tasks('$settled')");
	is(await($settled)->{facts}{member_id}, (entries('endorsement', reference => "lost $name"))[0]{memberId},
		'is done when the event comes');
}
$payouts->wait_for('SELECT count(*) = 2 AND bool_and(times = 2) FROM murallink.bastion_events()');
is(join(' ', map { $_->{status} } grep { ($_->{webhookURL} // '') eq $hook } entries('webhook')), '204 204 204 204', 'each time it comes');
setting('bastion.webhook' => 'off');

note 'Bastion: sessions and passwords';
setting('bastion.token_calls' => 1);
is(ask(bastion => 'plans')->{status}, 'done', 'a token that has ended is renewed') foreach 1 .. 3;
setting('bastion.token_calls' => 0);
configure(bastion => { token_expires => 2 }, \%secrets);
my $first = token();
$payouts->wait_for("SELECT clock_timestamp() > '" . $payouts->sql('SELECT clock_timestamp()') . q{'::timestamptz + interval '1.9 s'});
isnt(token(), $first, 'before it ends');
configure(bastion => {}, { %secrets, new_password => 'new secret' });
is(ask(bastion => 'change_password')->{status}, 'done', 'a new password');
is(ask(bastion => 'plans')->{status}, 'done', 'is used');
configure(bastion => {}, { %secrets, new_password => 'another' });
my $locked_out = begin(bastion => 'plans');
is(ask(bastion => 'reset_password', { email => 'vendor@example.org' })->{status}, 'done', 'who cannot sign in resets it');
refused(bastion => 'reset_password', { email => 'nobody@example.org' }, 404);
is($payouts->sql("SELECT status, attempt FROM murallink.partner_tasks('$locked_out')"), 'ready|0', 'the rest waits');
configure(bastion => {}, { %secrets, password => 'new secret' });
is(await($locked_out)->{status}, 'done', 'until there is a password that works');
is(lost('bastion.resetPassword', bastion => 'reset_password', { email => 'vendor@example.org' })->{status}, 'in_doubt', 'one mail');
configure(bastion => {}, { %secrets, password => 'new secret', new_password => 'last' });
is(lost('bastion.changePassword', bastion => 'change_password', {})->{status}, 'in_doubt', 'a change in doubt');
$payouts->call(resolve_task => $payouts->sql(q{SELECT uid FROM murallink.partner_tasks() WHERE operation = 'change_password' AND status = 'in_doubt'}),
	'true', 'it signs in');
is(ask(bastion => 'plans')->{status}, 'done', 'which a person decides');
note 'a partner that fails is left alone, and the others go on';
$payouts->fault(operation => 'dash.*', when => 'before', action => 'answer', status => 500);
$payouts->patients(1);
my ($waiting) = $payouts->approve(1);
$payouts->wait_for(q{SELECT breaker = 'open' AND failures > 3 FROM murallink.worker_status() WHERE partner = 'dash'});
is(ask(relay => 'onboard', { %welcome, ccid => 'G' })->{status}, 'done', 'Relay is asked while Dash fails');
is($payouts->sql('SELECT partner FROM murallink.worker_status() WHERE failures > 0'), 'dash', 'which the status tells');
$payouts->no_fault;
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$waiting'");
pass('and Dash is called again when it works');
done_testing();

sub configure
{
	my ($partner, $settings, $new_secrets) = @_;
	my %settings = $partner eq 'bastion' ? (plan_id => 85, policy_id => 2058, country => 162, %$settings) : %$settings;
	return $payouts->call(configure_partner => $partner, $url, \%settings, $new_secrets);
}

sub setting { my (%settings) = @_; return $payouts->sandbox('POST', 'settings', \%settings) }

# Asks a partner, and returns the request's uid.
sub begin
{
	my ($partner, $operation, $params) = @_;
	return $payouts->call(partner_request => $partner, $operation, $params // {});
}

sub await { my ($uid) = @_; return $json->decode($payouts->call(await_partner => $uid, 30)) }

# Asks a partner, and returns what await_partner() answers.
sub ask { my (@request) = @_; return await(begin(@request)) }

# The same, of what is to be refused with that HTTP status.
sub refused
{
	my (@request) = @_;
	my $status = pop @request;
	my $answer = ask(@request);
	is("$answer->{status} $answer->{http_status}", "declined $status", "$request[1]: refused, $status: $answer->{reason}");
	return $answer;
}

# The same, where the sandbox does not look at what is asked.
sub refused_by_answer
{
	my ($operation, $status, @request) = @_;
	$payouts->fault(operation => $operation, when => 'before', action => 'answer', status => $status, count => 1);
	return refused(@request, $status);
}

# Asks a partner, whose answer is lost after it was done.
sub begin_lost
{
	my ($operation, $partner, $asked, $params, %fault) = @_;
	$payouts->fault(operation => $operation, when => 'after', action => 'close', count => 1, %fault);
	return begin($partner, $asked, $params);
}

sub lost { my (@request) = @_; return await(begin_lost(@request)) }

# What the sandbox has in its ledger, with these values.
sub entries
{
	my ($kind, %values) = @_;
	return grep {
		my $entry = $_;
		$entry->{ledger} eq $kind && !grep { ($entry->{$_} // '') ne $values{$_} } keys %values
	} @{ $client->ledger };
}

sub count { return scalar(() = entries(@_)) }

# The token that a call has.
sub token
{
	ask(bastion => 'plans');
	my ($request) = grep { $_->{path} =~ /plans/ } reverse @{ $client->sandbox('requests') };
	return $request->{headers}{'api-key'};
}
