# murallink behind a real PostgREST: sessions, status codes, and what bad input gets.

use strict;
use warnings;

use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('postgrest');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;

# The status and body of a typed function, called in a session.
sub typed
{
	my ($session, $function, $arguments) = @_;
	my ($status, $body) = $client->rpc($function, $arguments, $session ? { 'Session-Id' => $session } : {});
	return ($status, $body);
}

sub api
{
	my ($session, $action, $payload) = @_;
	return $client->api({ action => $action, $session ? (session_id => $session) : (), $payload ? (payload => $payload) : () });
}

# The status and body of a table, read in a session.
sub read_table
{
	my ($table, $session, $method, $headers) = @_;
	my %headers = (($session ? ('Session-Id' => $session) : ()), %{ $headers // {} });
	my $body = ($method // 'GET') =~ /POST|PATCH/ ? '{"first_name": "X"}' : undef;
	return [ $client->request($method // 'GET', "$client->{url}/$table", $body, \%headers) ];
}

sub login
{
	my ($email, $password) = @_;
	return api(undef, 'login', { email => $email, password => $password })->{payload}{session_id};
}

note 'without a session';
is(api(undef, 'ping')->{message}, 'pong', 'ping needs none');
is(api(undef, 'my_info')->{status_code}, 401, 'my_info does');
is((typed(undef, 'my_info'))[0], 401, 'also as a function');
my $ended = '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
is((typed($ended, 'ping'))[0], 204, 'a session that has ended does not matter to what needs none');
is((typed($ended, 'my_info'))[0], 401, 'but to what needs one');
is(($client->request('GET', "$client->{url}/patient", undef, { 'Session-Id' => $ended }))[0], 401, 'and to tables');
my ($status, $body);
my @readable = split /\n/, $stack->sql(<<'EOC');
SELECT relname FROM pg_class
WHERE relnamespace = 'murallink'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege('web_anon', oid, 'SELECT') ORDER BY relname
EOC
cmp_ok(scalar @readable, '>', 30, 'tables and views are read as tables');
# PostgREST 12 takes the function of that name for a media type of the table.
my @empty = grep { read_table($_)->[0] == 200 && !@{ read_table($_)->[1] } } @readable;
is("@empty", join(' ', grep { $_ ne 'contract_document' } @readable), 'and are empty then');
is(read_table('contract?select=contract_document(filename)')->[0], 200, 'one is read beside its contracts');
is(read_table('patient', undef, $_)->[0], 401, "nobody does $_") foreach qw(POST PATCH DELETE);

note 'sessions';
my $admin = login($stack->{admin_email}, $stack->{admin_password});
is(api($admin, 'keepalive')->{message}, 'session valid', 'a session of the JSON protocol');
($status, $body) = typed($admin, 'my_info');
is($status, 200, 'the same session in a header');
is($body->{email}, $stack->{admin_email}, 'is the same user');
is((typed(undef, 'my_info'))[0], 401, 'and leaves nothing behind in the pooled connection');

note 'failed logins are counted, however they are asked';
my %wrong = (email => 'nobody@example.com', password => 'wrong password');
my @answers = map { $_ % 2 ? (typed(undef, 'login', \%wrong))[0] : api(undef, 'login', \%wrong)->{status_code} } 1 .. 6;
is("@answers", '401 401 401 401 401 423', 'five failures lock an account, also one that there is not');
is(api(undef, 'login', \%wrong)->{payload}{invalid_attempts}, 5, 'the count is told');

note 'status codes';
my $owner = api($admin, 'create_client', { name => 'Client' })->{payload}{uid};
my $contract = api($admin, 'create_contract', { client_uid => $owner, name => 'Contract', currency => 'USD' })->{payload}{uid};
my $trial = api($admin, 'create_trial', { contract_uid => $contract, name => 'Trial' })->{payload}{uid};
my $site = api($admin, 'create_site', { trial_uid => $trial, name => 'Site' })->{payload}{uid};
my $patient = api($admin, 'add_patient', { site_uid => $site, first_name => 'Pat', last_name => 'Ient' })->{payload}{uid};
api($admin, 'enroll', { patient_uid => $patient, trial_uid => $trial, site_uid => $site, subject_id => '1' });
my @weeks = map {
	api($admin, 'add_milestone', { milestone => "Week $_", amount => 10 * $_, trial_uid => $trial, site_uid => $site })->{payload}{uid}
} 1 .. 5;
api(undef, 'register', { email => 'u@example.com', password => 'some password', first_name => 'U', last_name => 'Ser' });
my $user = login('u@example.com', 'some password');

my %pay = (patient_uid => $patient, milestone_uid => $weeks[0]);
sub both
{
	my ($session, $function, $arguments, $expected, $error) = @_;
	my ($typed_status, $typed_body) = typed($session, $function, $arguments);
	is($typed_status, $expected, "$function answers $expected");
	like($typed_body->{details}, qr/^$error\b/, "with the error $error");
	my $answer = api($session, $function, $arguments);
	is($answer->{status_code}, $expected, "$function answers $expected through api()");
	is($answer->{error}{code}, $error, "with the error $error");
	return;
}
both($admin, 'milestone_payment', { patient_uid => $patient }, 400, 'missing_field');
both($user, 'create_client', { name => 'X' }, 403, 'forbidden');
both($user, 'milestone_payment', \%pay, 404, 'not_found');
both($admin, 'milestone_payment', \%pay, 402, 'insufficient_funds');
api($admin, 'add_funding', { contract_uid => $contract, amount => 1000 });
($status, $body) = typed($admin, 'milestone_payment', \%pay);
is($status, 200, 'a typed payment');
is($body->{amount}, 10, 'of the amount of the schedule');
both($admin, 'milestone_payment', \%pay, 409, 'already_paid');
both($admin, 'manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 0.001 }, 400, 'invalid_amount');

note 'lists page and filter';
($status, $body) = $client->rpc('get_payment_schedule?order=amount.desc&limit=2&select=milestone,amount',
	{ trial_uid => $trial, site_uid => $site }, { 'Session-Id' => $admin });
is_deeply($body, [{ milestone => 'Week 5', amount => 50 }, { milestone => 'Week 4', amount => 40 }], 'by PostgREST\'s own parameters');

note 'a page is one request to a table, with what belongs to its rows';
($status, $body) = @{ read_table('payment?select=amount,status,trial(name),site(name),client(name),contract(name),patient(last_name),'
	  . 'enrollment(subject_id),milestone(milestone),requester(email)', $admin) };
is($status, 200, 'payments are read');
is_deeply($body, [ { amount => 10, status => 'pending', trial => { name => 'Trial' }, site => { name => 'Site' }, client => { name => 'Client' },
	contract => { name => 'Contract' }, patient => { last_name => 'Ient' }, enrollment => { subject_id => '1' },
	milestone => { milestone => 'Week 1' }, requester => { email => $stack->{admin_email} } } ], 'with names');
is_deeply(read_table('patient?select=last_name,enrollment(subject_id,trial(name),payment(amount.sum(),count()))', $admin)->[1],
	[ { last_name => 'Ient', enrollment => [ { subject_id => '1', trial => { name => 'Trial' }, payment => [ { sum => 10, count => 1 } ] } ] } ],
	'and patients with their enrollments and sums');
is_deeply(read_table('payment?select=trial(name),amount.sum()', $user)->[1], [], 'but for somebody who holds nothing there is nothing');
my $since = $stack->sql("SELECT to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.USZ') FROM murallink.payment");
is_deeply(read_table("rpc/changed_payments?since=$since&select=amount,trial(name)", $admin)->[1], [ { amount => 10, trial => { name => 'Trial' } } ],
	'payments that have changed');
is_deeply(read_table('rpc/changed_payments?since=2999-01-01', $admin)->[1], [], 'and none since then');
is_deeply(read_table("trial?updated_at=gte.$since&select=name", $admin)->[1], [], 'trials that have not changed since');
is(read_table('payment?limit=1', $admin, 'GET', { Prefer => "count=$_" })->[0], 400, "count=$_ would show how many there are")
  foreach qw(planned estimated);
is(read_table('payment?limit=1', $admin, 'GET', { Accept => 'application/vnd.pgrst.plan+json' })->[0], 415, 'and so would a plan');
is(read_table('payment', undef, 'GET', { Prefer => 'count=exact' })->[0], 200, 'count=exact counts what is seen');

note 'a retry under an idempotency key';
my %request = (action => 'milestone_payment', session_id => $admin, idempotency_key => 'once',
	payload => { patient_uid => $patient, milestone_uid => $weeks[1] });
my $first = $client->api(\%request);
is($first->{status_code}, 200, 'pays');
is_deeply($client->api(\%request), $first, 'and has the same answer');
is($client->api({ %request, payload => { %{ $request{payload} }, note => 'x' } })->{error}{code}, 'idempotency_conflict',
	'which is for that request only');

note 'the key as a header (S31)';
my @header = ('milestone_payment', { patient_uid => $patient, milestone_uid => $weeks[2] });
my %key = ('Session-Id' => $admin, 'Idempotency-Key' => '"8e03978e-40d5-43dd-bc93-6894a57f9324"');
($status, $body) = $client->rpc(@header, \%key);
is($status, 200, 'of a function');
is_deeply([ ($client->rpc(@header, \%key))[0, 1] ], [ 200, $body ], 'whose repetition has the same answer');
is_deeply([ ($client->rpc("$header[0]?select=uid,amount", $header[1], \%key))[0, 1] ], [ 200, { uid => $body->{uid}, amount => 30 } ],
	'of which another part can be selected');
is(($client->rpc($header[0], { %{ $header[1] }, note => 'x' }, \%key))[1]{message}, $stack->sql(
	q{SELECT message FROM murallink.errors() WHERE name = 'idempotency_conflict'}), 'and which is for that request only');
is((typed($admin, @header))[0], 409, 'without the key the milestone is paid');
is($stack->sql("SELECT count(*) FROM murallink.payment WHERE milestone_uid = '$weeks[2]'"), 1, 'once');
my %later = ('Session-Id' => $admin, 'Idempotency-Key' => 'later');
my @later = ('manual_payment', { patient_uid => $patient, trial_uid => $trial, amount => 100_000, note => 'later' });
is(($client->rpc(@later, \%later))[0], 402, 'a refusal');
api($admin, 'add_funding', { contract_uid => $contract, amount => 100_000 });
is(($client->rpc(@later, \%later))[0], 200, 'leaves the key free') foreach 1, 2;
is($stack->sql("SELECT count(*) FROM murallink.payment WHERE note = 'later'"), 1, 'for one payment');
is(($client->rpc('approve_payments', { uids => [ $body->{uid} ], note => 'x' }, { %key, 'Idempotency-Key' => 'set' }))[1][0]{status},
	'approved', 'of a set, too') foreach 1, 2;
is(($client->rpc('ping', {}, { %key, 'Idempotency-Key' => 'nothing' }))[0], 204, 'and of nothing') foreach 1, 2;
is(($client->rpc('ping', {}, { %key, 'Idempotency-Key' => 'x' x 201 }))[0], 400, 'a long key is refused');
is(($client->rpc('ping', {}, { 'Idempotency-Key' => 'x' }))[0], 401, 'and one of nobody');
is((typed($admin, 'ping'))[0], 204, 'no key is left in a connection') foreach 1 .. 20;
my @repeats = map { ($client->rpc('api', { action => 'ping', session_id => $admin }, { 'Idempotency-Key' => 'of the protocol' }))[1]{request_id} } 1, 2;
is($repeats[0], $repeats[1], 'the JSON protocol takes the header, too');

note 'a service with an API key as a header';
my $service = api($admin, 'create_service', { email => 'edc@example.com', name => 'Data capture' })->{payload}{uid};
my %made = (user_uid => $service, name => 'server', note => 'test');
my $secret = api($admin, 'create_api_key', \%made)->{payload};
api($admin, 'grant', { resource_uid => $trial, user_uid => $service, permission => 'view_trials' });
($status, $body) = $client->rpc('get_trials', {}, { 'Api-Key' => $secret->{key} });
is("$status $body->[0]{name}", '200 Trial', 'reaches what was granted');
is(($client->request('GET', "$client->{url}/rpc/get_trials", undef, { 'Api-Key' => $secret->{key} }))[0], 200, 'by GET, too');
is(($client->rpc('api', { action => 'my_info' }, { 'Api-Key' => $secret->{key} }))[1]{payload}{uid}, $service, 'in the JSON protocol');
is(api($secret->{key}, 'my_info')->{payload}{uid}, $service, 'also in place of a session');
is(($client->rpc('my_info', {}, { 'Api-Key' => $_ }))[0], 401, 'no other key') foreach "$secret->{key}0", $admin, 'x';
is(($client->rpc('my_info', {}, { 'Api-Key' => $secret->{key}, 'Session-Id' => $admin }))[0], 400, 'a session beside it is refused');
is((typed(undef, 'my_info'))[0], 401, 'and nothing is left in the connection');
my $next = api($admin, 'create_api_key', \%made)->{payload}{key};
api($admin, 'revoke_api_key', { api_key_uid => $secret->{uid}, note => 'replaced' });
is(join(' ', map { ($client->rpc('my_info', {}, { 'Api-Key' => $_ }))[0] } $secret->{key}, $next), '401 200', 'keys are replaced one by one');
unlike(slurp_file($node->logfile), qr/\Q$_\E/, 'no key is in the log') foreach $secret->{key}, $next;

note 'bad input is never a server error';
my @bodies = (
	'', '{', 'null', '[]', '"x"', '1', '{"request": 1}', '{"action": null}', '{"action": 1}', '{"action": []}',
	'{"action": "ping", "payload": []}', '{"action": "ping", "payload": "x"}', '{"action": "ping", "extra": 1}',
	'{"action": "ping", "payload": {"x": 1}}', '{"action": "\u0000"}', '{"action": "login", "payload": {"email": "a\u0000@b.c"}}',
	'{"action": "\ud800"}', '{"action": "api"}', '{"action": "install"}', '{"action": "gen_ksuid"}', '{"action": "pg_sleep"}',
	'{"action": "' . ('x' x 100_000) . '"}', '{"action": "ping", "payload": ' . ('[' x 100_000) . (']' x 100_000) . '}',
	'{"action": "ping", "session_id": {"x": 1}}', '{"action": "ping", "session_id": "' . ('0' x 300) . '"}',
	"{\"action\": \"ping\xff\"}");
foreach my $amount ('1e400', '-1', '0', '"100"', 'null', '1e-400', '99999999999999999999', 'true', '{}', '1.001')
{
	push @bodies, qq({"action": "manual_payment", "session_id": "$admin",
		"payload": {"patient_uid": "$patient", "trial_uid": "$trial", "amount": $amount}});
}
foreach my $uid ('"x"', '1', '"aWgEPTl1tmebfsQzFP4bxwgy80W"', qq("$site"), '[]', '"' . ('0' x 27) . '"')
{
	push @bodies, qq({"action": "get_patient_payments", "session_id": "$admin", "payload": {"patient_uid": $uid, "trial_uid": "$trial"}});
}
foreach my $date ('"2023-02-29"', '"infinity"', '"now"', '"2022-13-01"', '"x"', '20220101', '"10000-01-01"')
{
	push @bodies, qq({"action": "create_client", "session_id": "$admin", "payload": {"name": "x", "client_signature_date": $date}});
}
my $before = $stack->sql('SELECT count(*) FROM murallink.audit_event');
foreach my $request (@bodies)
{
	my ($answered) = $client->rpc('api', $request);
	ok($answered >= 400 && $answered < 500, substr($request, 0, 60) . " answers $answered");
}
is($stack->sql('SELECT count(*) FROM murallink.audit_event'), $before, 'and changes nothing');
is($stack->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the books are right');

note 'the API describes itself';
($status, $body) = $client->request('GET', "$client->{url}/");
like($body->{paths}{'/rpc/milestone_payment'}{post}{description} // $body->{paths}{'/rpc/milestone_payment'}{post}{summary},
	qr/Pays a patient for a milestone/, 'with the comments of its functions');

note 'logging out';
is(api($admin, 'logout')->{status_code}, 200, 'ends the session');
is(api($admin, 'keepalive')->{status_code}, 401, 'for good');

done_testing();
