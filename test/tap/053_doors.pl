# Dates, moments, amounts, numbers and uids mean the same at each door: /rpc/api, /rpc/<action> and SQL, whatever the server's
# settings or a header of the request say. Every such argument of every action is tried, as the catalogue has them.

use strict;
use warnings;

use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use Murallink::World;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('doors');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
my $world = Murallink::World->new($stack);
$stack->sql("UPDATE murallink.app_user SET db_role = 'world_admin' WHERE user_role = 'admin'");
foreach my $setting ("timezone = 'America/New_York'", "datestyle = 'SQL, DMY'", "intervalstyle = 'iso_8601'")
{
	$stack->sql('ALTER DATABASE ' . Murallink::Stack::DATABASE . " SET $setting");
}
$stack->start_postgrest;
my $client = $stack->client;
my $session = $client->api({
	action => 'login', payload => { email => $stack->{admin_email}, password => $stack->{admin_password} } })->{payload}{session_id};
$world->script(<<"EOC");
SET SESSION AUTHORIZATION world_admin;
SELECT world.add('often', (murallink.add_milestone('Often', 1, 'USD', '${\$world->uid('trial')}', '${\$world->uid('site')}', 100)).uid);
EOC
$world->{uid}{often} = $stack->sql("SELECT world.uid('often')");
$world->{uid}{service} = $stack->sql(q{INSERT INTO murallink.app_user (email, kind) VALUES ('service@example.com', 'service') RETURNING uid});
my $today = $stack->sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')");

# What the SQL door says of a call: the stable name of its error, or "done". Nothing remains of it.
$stack->sql(<<'EOC');
CREATE FUNCTION world.attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
BEGIN
    EXECUTE call;
    RAISE 'done' USING ERRCODE = 'ZZZZZ';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME;
    RETURN CASE WHEN SQLSTATE = 'ZZZZZ' THEN 'done' WHEN error <> '' THEN error ELSE SQLSTATE END;
END
$$;
EOC

# What an action needs beside the argument that is tried. A "#" becomes another number each time.
my %needs = (
	access_list => { resource_uid => 'site' },
	add_funding => { contract_uid => 'contract', amount => 1 },
	add_milestone => { milestone => 'Visit #', amount => 1, approval_ref => 'IRB', trial_uid => 'trial', site_uid => 'site' },
	create_api_key => { user_uid => 'service', name => 'Key #', note => 'N' },
	create_client => { name => 'Client #' },
	create_contract => { client_uid => 'client', name => 'Contract #', currency => 'USD' },
	edit_client => { uid => 'client' },
	edit_contract => { uid => 'other_contract' },
	grant => { resource_uid => 'site', user_uid => 'user', permission => 'enroll' },
	idle_users => {},
	events => {},
	my_places => {},
	manual_payment => { patient_uid => 'patient', trial_uid => 'trial', amount => 1 },
	top_up => { trial_site_uid => 'trial_site', milestone => 'Week 1', note => 'audit', from_date => '2020-01-01' },
	payable_milestones => { patient_uid => 'patient', trial_uid => 'trial' },
	milestone_payment => { patient_uid => 'patient', milestone_uid => 'often', note => 'left early' },
	request_reversal => { payment_uid => 'a paid one', reason => 'other', note => 'Note #' },
	set_low_funds => { contract_uid => 'other_contract', amount => 1, note => 'Note #' },
	set_recovery => { contract_uid => 'other_contract', share => 10, note => 'Note #' },
	set_visit_due => { trial_uid => 'trial', milestone => 'Week 1', due_after => 7, note => 'protocol' },
	set_day_cap => { trial_uid => 'other_trial', site_uid => 'site', amount => 1, note => 'protocol' },
	set_enrollment_status => { status => 'dropped', patient_uid => 'far_patient', trial_uid => 'far_trial' },
	# Not enrolled, because a patient moves to a site only once
	transfer_enrollment => { patient_uid => 'newcomer', trial_uid => 'trial', to_site_uid => 'other_site', note => 'moved' },
	pending_payments => {},
	withdraw_funding => { contract_uid => 'contract', amount => 1, note => 'N', reference => 'R#' },
	travel_payment => { patient_uid => 'patient', trial_uid => 'trial', amount => 1 },
	visit_done => { source => 'ctms', source_ref => 'R#', trial_ref => 'T-1', subject_id => 'Subjectnumber', visit_code => 'Often',
		visit_date => $today },
	upload_contract => { contract_uid => 'contract', data => 'JVBERg==', filename => 'contract.pdf' });

# How each type is written, and how not; what is said of the latter.
my @no_dates = ('today', 'now', 'epoch', 'infinity', '-infinity', '02/03/2022', 'J2451187', '2023-02-29', '10000-01-01', '0000-01-01',
	'20270304', '2027-3-4', ' 2027-03-04', '2027-03-04 BC', 'allballs', '-1', '2027-03-04T24:00:00Z', '2027-063');
my %written = (
	'murallink.day' => {
		right => [ $today, "${today}T00:00:00Z", "${today}T00:00:00+00:00", "${today}T00:00:00.000Z", '' ],
		invalid_value => [ @no_dates, "${today}T23:00:00-05:00", "$today 00:00", "${today}T00:00:00", "${today}T00:00:00.001Z",
			"${today}T00:00:00.Z", "${today}T00:00:00+01:00" ],
		wrong_type => [ 20270304, JSON::PP::true, [], {} ] },
	'murallink.moment' => {
		right => [ '2027-01-01', '2027-01-02T10:00:00Z', '2027-01-03T10:00:00', '2027-01-04 10:00:00', '2027-01-05T10:00:00-05:00',
			'2027-01-06T10:00:00.1234567Z', '2027-01-07T23:59:59.9999999+14:00', '2027-01-08t10:00:00z', '2027-01-09T10:00',
			'2027-01-10 10:00+01:00', '' ],
		invalid_value => [ @no_dates, 'tomorrow', '2027-01-01T25:00:00Z', '2027-01-01 10:00 America/New_York', '2027-01-01T10:00:00 EST',
			'2027-01-01T10', '2027-01-01T10:00:', '2027-01-01T10:00.5Z', '2027-01-01T1:00', '10:00', '2027-01-01T10:00:00-5', '2027-01-01T10:00:60Z' ],
		wrong_type => [ 1798761600, JSON::PP::true, [], {} ] },
	numeric => { right => [ 1, 2.5, '1e1' ], wrong_type => [ '"1"', '"1e2"', '"NaN"', '""', 'true', '[]', '{}' ] },
	'murallink.numeric_text' => { right => [ 1000, '1e3', '1E3', '1000.5', '"1000.5"' ], invalid_amount => [ '"1e3"', '1e-3', '-1' ],
		wrong_type => [ 'true', '[]', '{}' ] },
	integer => { right => [ 1, 2, '1.0', '2e0', '20E-1' ], wrong_type => [ '"1"', '1.5', 'true', '[1]', '""' ], invalid_value => ['2147483648'] },
	'murallink.ksuid' => { wrong_type => [ 1, JSON::PP::true, [], {} ], invalid_uid => [ 'x', ' ', '0' x 28, 'aWgEPTl1tmebfsQzFP4bxwgy80W' ] },
	boolean => { wrong_type => [ '"true"', '1', '"on"', '[]' ] });

# The same of what is no amount.
my %written_of = ('milestone_payment fraction' => { right => [ 1, 0.5, '5e-1' ], invalid_value => [ 0, 1.5, 0.125, '1e-3', '1e1', -1 ],
	wrong_type => $written{numeric}{wrong_type} });

# Numbers are sent as they stand.
my $json = JSON::PP->new->canonical->allow_nonref;
my $number = 0;

sub body
{
	my ($needs, $argument, $value) = @_;
	my %body = map { ($_ => $json->encode(filled($needs->{$_}))) } keys %$needs;
	$body{$argument} = $value;
	return '{' . join(',', map { qq("$_":$body{$_}) } sort keys %body) . '}';
}

sub filled
{
	my ($value) = @_;
	return $world->{uid}{$value} if exists $world->{uid}{$value};
	return paid() if $value eq 'a paid one';
	return $value =~ s/#/++$number/er;
}

# A payment that was paid, each time another.
sub paid
{
	return $stack->sql(<<"EOC");
DO '
DECLARE
    made murallink.ksuid;
BEGIN
    INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
    VALUES (world.uid(''enrollment''), ''manual'', 50, ''USD'') RETURNING uid INTO made;
    UPDATE murallink_private.payment SET status = ''approved'' WHERE uid = made;
    INSERT INTO murallink_private.payout (payment_uid, reason) VALUES (made, ''settled_by_person'');
    UPDATE murallink_private.payout SET settled_at = clock_timestamp(), reason = '''' WHERE payment_uid = made;
    UPDATE murallink_private.payment SET status = ''paid'' WHERE uid = made;
END';
SELECT uid FROM murallink_private.payment ORDER BY created_at DESC LIMIT 1
EOC
}

sub typed
{
	my ($action, $body, %headers) = @_;
	my ($status, $answer) = $client->rpc($action, $body, { 'Session-Id' => $session, %headers });
	return ($status < 300 ? 'done' : ($answer->{details} // $answer->{code} // '') =~ s/\W.*//sr, $answer, $status);
}

sub dispatched
{
	my ($action, $body) = @_;
	my ($status, $answer) = $client->rpc('api', qq({"action":"$action","session_id":"$session","payload":$body}));
	return ($status == 200 ? 'done' : $answer->{error}{code}, $answer->{payload}, $status);
}

# The call in SQL, by the admin's own role, or nothing where it cannot be written.
sub in_sql
{
	my ($action, $body) = @_;
	my $arguments = $json->decode($body);
	my @literals;
	foreach my $name (sort keys %$arguments)
	{
		my $value = $arguments->{$name};
		return if ref $value;
		push @literals, "$name => " . ($value =~ /^-?[0-9.]+$/ && $name =~ /amount|num_payments|sort_order/ ? $value : "'$value'");
	}
	my $call = "SELECT murallink.$action(" . join(', ', @literals) . ')';
	return ($world->script("SET SESSION AUTHORIZATION world_admin; SELECT world.attempt(\$call\$$call\$call\$)"))[-1];
}

my %prefers = (moments => { Prefer => 'timezone=Pacific/Kiritimati' });
my @arguments = map { [ split /\|/ ] } split /\n/, $stack->sql(<<'EOC');
SELECT p.proname, a.name, format_type(a.type, NULL) FROM pg_proc p, unnest(p.proargtypes, p.proargnames) AS a (type, name)
WHERE p.pronamespace = 'murallink'::regnamespace AND a.type IS NOT NULL
    AND EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 'murallink_client'::regrole) AND a.name IS NOT NULL
ORDER BY 1, 2
EOC
foreach my $argument (@arguments)
{
	my ($action, $name, $type) = @$argument;
	unlike($type, qr/^(timestamp|date|time|interval|real|double|bigint)/, "$action takes $name in a type that is read alike everywhere");
	my $written = $written_of{"$action $name"} // $written{$type} or next;
	my $asks = $type !~ /ksuid|boolean/;
	my $needs = $needs{$action} // {};
	ok($needs{$action}, "the test knows $action") if $asks;
	next if $action =~ /^(contract_document|report)$/;
	foreach my $expected (sort keys %$written)
	{
		next if $expected eq 'right' && !$asks;
		foreach my $value (@{ $written->{$expected} })
		{
			my $raw = $type =~ /numeric|integer|boolean/ ? $value : $json->encode($value);
			my ($said, $answer) = dispatched($action, body($needs, $name, $raw));
			my ($also, $other) = typed($action, body($needs, $name, $raw), $number % 2 ? %{ $prefers{moments} } : ());
			my $told = "$action $name $raw";
			is($said, $expected eq 'right' ? 'done' : $expected, "api: $told") if $name !~ /visit_date|dropped_on|on_date|from_date/ || $expected ne 'right';
			is($also, $said, "rpc: $told");
			is(same($other, $name), same($answer, $name), "and answers the same: $told") if $said eq 'done' && $value ne '';
			next unless $type =~ /day|moment/ && !ref $value && $value ne '20270304' && $raw =~ /^"/;
			is(in_sql($action, body($needs, $name, $raw)), $said, "SQL: $told");
		}
	}
}

note 'what is absent, null, empty or of another type';
$needs{deactivate_user} = { user_uid => '0' x 27 };
# What can be done once answers the second door otherwise.
$needs{$_} //= {} foreach qw(enroll cancel_appointment approve_payment reject_payment cancel_payment correct_funding);

# What succeeds once only is asked of something else.
$needs{$_} = { reversal_uid => 'patient', note => 'seen' } foreach qw(approve_reversal reject_reversal recover write_off);
$needs{move_payment} = { payment_uid => 'patient', to_patient_uid => 'patient', note => 'seen' };
$needs{edit_site} = { uid => 'site' };
$needs{resolve_visit} = { visit_uid => 'patient', note => 'seen' };
$needs{set_reference} = { kind => 'trial', resource_uid => 'other_trial', source => 'edc', ref => 'R#', note => 'N' };
$needs{find_reference} = { kind => 'trial', source => 'ctms', ref => 'T-1' };
$needs{set_visit_rules} = { trial_uid => 'other_trial', note => 'N' };
$needs{edit_trial} = { uid => 'other_trial' };
$needs{schedule_appointment} = { patient_uid => 'patient', datetime => '2999-01-01T09:00:00' };
$needs{update_caregiver} = { uid => 'caregiver' };
$needs{update_patient} = { uid => 'patient' };
$needs{update_user} = { uid => 'user' };
$needs{upload_document} = { patient_uid => 'patient', data => 'UGVyc29uYWw=', filename => 'personal.txt' };
my %types;
$types{ $_->[0] }{ $_->[1] } = $_->[2] foreach @arguments;
foreach my $argument (@arguments)
{
	my ($action, $name, $type) = @$argument;
	next if $action =~ /^(authenticate|contract_document|report)$/;
	my %needs = %{ $needs{$action} // { map { ($_ => s/_uid$//r) } grep { exists $world->{uid}{s/_uid$//r} } keys %{ $types{$action} } } };
	delete $needs{$name};
	# The code is the name where none is sent, so the name must be the same each time.
	$needs{milestone} = 'Coded' if "$action $name" eq 'add_milestone code';
	foreach my $value ('absent', 'null', '""', '" "', '"x"', '1', '1.5', 'true', '[]', '["x"]', '[""]', '[null]', '{}')
	{
		# The typed door first: what it leaves as it is, the other must leave, too.
		my ($said, $answer) = typed($action, with(\%needs, $name, $value));
		my ($also, $other) = dispatched($action, with(\%needs, $name, $value));
		is($said, $also, "$action: $name $value of $type");
		is(same($answer, $name), same($other, $name), "and answers the same: $action: $name $value")
		  if $said eq 'done' && $type =~ /text/;
	}
}

# A plan for one body has its values in it, a plan for all has not.
foreach my $plan (qw(custom generic))
{
	$stack->sql("ALTER SYSTEM SET plan_cache_mode = force_${plan}_plan");
	$stack->sql('SELECT pg_reload_conf()');
	is((typed('get_trials', '{"contract_uid":""}'))[0], 'done', "an empty uid is none in a $plan plan");
	is((typed('update_patient', body({ uid => 'patient' }, 'first_name', 'null')))[0], 'missing_field', 'and null is an empty text');
}
$stack->sql('ALTER SYSTEM RESET plan_cache_mode');

sub with
{
	my ($needs, $name, $value) = @_;
	return body($needs, $name, $value) if $value ne 'absent';
	return $json->encode({ map { ($_ => filled($needs->{$_})) } keys %$needs });
}

# What an answer shows of an argument. Of moments both notations of UTC are the same, and trailing zeros are none.
sub same
{
	my ($answer, $name) = @_;
	my $shown = ref $answer eq 'HASH' ? $answer->{$name} // '' : '';
	return $shown ne '' ? $shown =~ s/\+00:00$/Z/r : 'nothing';
}

note 'days and moments as they are kept';
is($stack->sql("SELECT count(*) FROM murallink.milestone WHERE effective_date = '2027-01-01 00:00Z'"), 2, 'a date means its start in UTC');
is($stack->sql("SELECT count(*) FROM murallink.milestone WHERE effective_date = '2027-01-06 10:00:00.123456Z'"), 2, 'the seventh decimal is cut off');
is($stack->sql("SELECT count(*) FROM murallink.contract WHERE contract_start_date = '$today'"), 10, 'and days are as they were written');
my %dated = (client_uid => 'client', name => 'Contract #', currency => 'USD');
my (undef, $answer) = typed('create_contract', body(\%dated, 'contract_start_date', '"2027-01-01"'), %{ $prefers{moments} });
is($answer->{contract_start_date}, '2027-01-01T00:00:00+00:00', 'an answer shows UTC, whatever time zone is preferred');
$world->script(<<"EOC");
SET SESSION AUTHORIZATION world_admin;
SELECT murallink.add_milestone('Now', 1, 'USD', '${\$world->uid('trial')}', '${\$world->uid('site')}', effective_date => now() + '1 month');
SELECT murallink.add_milestone('Day', 1, 'USD', '${\$world->uid('trial')}', '${\$world->uid('site')}', effective_date => DATE '2027-02-01');
SELECT murallink.create_client('Dated', client_signature_date => DATE '2027-02-01');
EOC
is($stack->sql("SELECT effective_date = '2027-02-01 00:00Z' FROM murallink.milestone WHERE milestone = 'Day'"), 't',
	'in SQL a date is taken as its start in UTC, too');
is($stack->sql("SELECT count(*) FROM murallink.milestone WHERE milestone = 'Now' AND effective_date > now() + '27 days'"), 1, 'and a timestamp as it is');

note 'an answer, sent back';
$world->script(<<"EOC");
SET SESSION AUTHORIZATION world_admin;
SELECT murallink.edit_contract('${\$world->uid('other_contract')}', contract_start_date => '$today', contract_end_date => '$today', client_signature_date => '$today');
EOC
my @answers = map { ($_->('get_contract', qq({"contract_uid":"${\$world->uid('other_contract')}"})))[1] } \&dispatched, \&typed;
foreach my $shown (@answers)
{
	my %dates = map { ($_ => $shown->{$_}) } qw(uid contract_start_date contract_end_date client_signature_date);
	is(($_->[1]->('edit_contract', $json->encode(\%dates)))[0], 'done', "$shown->{contract_end_date} goes back by $_->[0]")
	  foreach [ api => \&dispatched ], [ rpc => \&typed ];
}
is($stack->sql("SELECT contract_end_date = '$today' FROM murallink.contract WHERE uid = '${\$world->uid('other_contract')}'"), 't', 'and is the day that it was');

note 'bodies that are no single object';
my $funded = $stack->sql('SELECT sum(amount), count(*) FROM murallink.funding');
my $contract = $world->uid('contract');
my $one = qq({"contract_uid":"$contract","amount":1});
foreach my $body ("[$one,$one]", "[$one]", '[]', qq({"contract_uid":"$contract","amount":1,"amount":2}),
	qq({"contract_uid":"$contract","amount":1,"am\\u006funt":2}), '"x"', '1')
{
	my ($said, undef, $status) = typed('add_funding', $body);
	is($status, 400, "$body is refused");
}
is((typed('add_funding', "[$one,$one]"))[0], 'invalid_request', 'an array by its name');
foreach my $path ('add_fundin%67', '%61dd_funding', 'add%5ffunding', 'add%5Ffunding')
{
	is((typed($path, "[$one,$one]"))[0], 'invalid_request', "an array is refused however the path is encoded: $path");
	is((typed($path, $one =~ s/1}/"1"}/r))[0], 'wrong_type', 'and a number in quotes');
	is((typed($path, $one =~ s/}/,"amount":2}/r))[0], 'invalid_request', 'and a key that occurs twice');
}
is((typed('add_funding?columns=contract_uid,amount', $one =~ s/}/,"currancy":"JPY"}/r))[0], 'unknown_key',
	'a misspelt key is refused, even if PostgREST is told to leave it out');
is((typed('add_funding', "contract_uid,amount\n$contract,1\n$contract,2\n", 'Content-Type' => 'text/csv'))[2], 400, 'so is a table');
is($stack->sql('SELECT sum(amount), count(*) FROM murallink.funding'), $funded, 'nothing was funded');
my %form = ('Content-Type' => 'application/x-www-form-urlencoded');
is((typed('get_trials', 'contract_uid=', %form))[0], 'done', 'an empty uid in a form is none');
is((typed('get_trials', 'contract_uid=x', %form))[0], 'invalid_uid', 'and x is no uid');
my ($status, $trials) = $client->request('GET', "$client->{url}/rpc/get_trials?contract_uid=", undef, { 'Session-Id' => $session });
is("$status " . ref $trials, '200 ARRAY', 'in a query string neither');
($status, $trials) = $client->request('GET', "$client->{url}/rpc/get_trials?name=eq.Trialname&contract_uid=$contract&select=name&order=name",
	undef, { 'Session-Id' => $session });
is("$status " . join(' ', map { $_->{name} } @$trials), '200 Trialname', 'where a filter is no argument');
is(($client->request('POST', "$client->{url}/%72pc/ping", '{}', { 'Session-Id' => 'x' }))[0], 204, 'a path in another encoding needs no more of a session');
my (undef, $pong) = $client->rpc('api', '{"action":"get_trials","action":"ping"}');
is($pong->{message}, 'pong', '/rpc/api takes the last of two values, because jsonb keeps no other');
is((typed('add_funding', "contract_uid=$contract&amount=1", %form))[0], 'done', 'a form has texts only, and is taken');

note 'what operators call';
$stack->sql('GRANT murallink_operator TO web_anon');
my $payout = $stack->sql('SELECT uid FROM murallink.payout ORDER BY uid LIMIT 1');
$needs{$_} = { payout_uid => 'patient', outcome => 'paid', note => 'seen' } foreach qw(resolve_payout settle_payout);
$needs{release_payouts} = { contract_uid => 'other_contract' };
$needs{hold_payouts} = { contract_uid => 'contract', note => 'audit' };
$needs{message_received} = { channel => 'email', sender => 'x@example.com', body => 'stop' };
$needs{set_consent} = { patient_uid => 'patient', channel => 'email', given => JSON::PP::true, source => 'paper' };
$needs{set_template} = { kind => 'payment', channel => 'sms', body => 'paid' };
my @operators = map { [ split /\|/ ] } split /\n/, $stack->sql(<<'EOC');
SELECT p.proname, a.name, format_type(a.type, NULL) FROM pg_proc p, unnest(p.proargtypes, p.proargnames[:p.pronargs]) AS a (type, name)
WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef AND a.name IS NOT NULL
    AND EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 'murallink_operator'::regrole)
ORDER BY 1, 2
EOC
$types{ $_->[0] }{ $_->[1] } = $_->[2] foreach @operators;
cmp_ok(scalar @operators, '>', 60, 'are many arguments');
foreach my $argument (@operators)
{
	my ($action, $name, $type) = @$argument;
	my %needs = %{ $needs{$action} // { map { ($_ => s/_uid$//r) } grep { exists $world->{uid}{s/_uid$//r} } keys %{ $types{$action} } } };
	delete $needs{$name};
	foreach my $value ('absent', 'null', '""', '" "', '"x"', '1', '1.0', '1.5', 'true', '[]', '[null]', '{}')
	{
		my ($said) = typed($action, with(\%needs, $name, $value));
		is((dispatched($action, with(\%needs, $name, $value)))[0], $said, "$action: $name $value of $type");
		next unless $value eq 'absent';
		my $given = join ', ', map { "$_ => '" . (ref $needs{$_} ? 'true' : filled($needs{$_})) . q(') } sort keys %needs;
		is(($world->script("SET SESSION AUTHORIZATION world_operator; SELECT world.attempt(\$call\$SELECT murallink.$action($given)\$call\$)"))[-1],
			$said, 'and in SQL');
	}
}
my %hold = (contract_uid => $contract, note => 'audit');
foreach my $door (\&typed, \&dispatched)
{
	is(($door->('hold_payouts', $json->encode({ %hold, partner => $_ })))[0], 'done', 'no partner is named by ' . ($_ // 'null')) foreach undef, '';
	is(($door->($_, '{"status":null}'))[0], 'done', "$_ of no status") foreach qw(notices partner_tasks);
	is(($door->('resolve_payout', qq({"payout_uid":"$payout","note":"seen"})))[0], 'missing_field', 'a decision has an outcome');
	is(($door->('enable_payouts', '{}'))[0], 'done', 'what is absent has its default');
}
done_testing();
