# What another system reports goes through PostgREST to the worker: kept while it is not found, paid when it is, and when funds come.

use strict;
use warnings;

use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('visits');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;
my $today = $stack->sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')");

sub as_admin
{
	my ($action, $payload) = @_;
	my $answer = $client->api({ action => $action, session_id => $stack->{session}, payload => $payload });
	die "$action: $answer->{message}\n" if $answer->{status_code} != 200;
	return $answer->{payload};
}

sub login
{
	return $client->api({ action => 'login', payload => { email => $_[0], password => $_[1] } })->{payload}{session_id};
}

$stack->{session} = login($stack->{admin_email}, $stack->{admin_password});
my $owner = as_admin('create_client', { name => 'Client' })->{uid};
my $contract = as_admin('create_contract', { client_uid => $owner, name => 'Contract', currency => 'USD' })->{uid};
my $trial = as_admin('create_trial', { contract_uid => $contract, name => 'Trial', protocol_id => 'P-1', approve_milestones => JSON::PP::true })->{uid};
my $site = as_admin('create_site', { trial_uid => $trial, name => 'Site' })->{uid};
as_admin('add_milestone', { milestone => $_, amount => 10, trial_uid => $trial, site_uid => $site }) foreach 'Week 1', 'Week 2';
as_admin('set_visit_rules', { trial_uid => $trial, auto_pay => JSON::PP::true, note => 'validated' });
my $ctms = $client->api({ action => 'register', payload => { email => 'ctms@example.com', password => 'some password', first_name => 'C', last_name => 'TMS' } })
  ->{payload}{uid};
as_admin('grant', { resource_uid => $contract, user_uid => $ctms, permission => 'visit_done' });
my $session = login('ctms@example.com', 'some password');

sub report
{
	my ($ref, $subject, $code, %more) = @_;
	my ($status, $answer) = $client->rpc('visit_done', { source => 'ctms', source_ref => $ref, protocol_id => 'P-1', subject_id => $subject,
		visit_code => $code, visit_date => $today, %more }, { 'Session-Id' => $session });
	return join ' ', $status, grep { defined } $status == 200 ? @{$answer}{qw(state reason)} : $answer->{details};
}

note 'a visit of a patient who is not enrolled yet';
is(report('1', '1001', 'Week 1'), '200 unmatched subject_id', 'is kept');
my $patient = as_admin('add_patient', { site_uid => $site, first_name => 'Pat', last_name => 'Ient', email => 'pat@example.com' })->{uid};
as_admin('enroll', { patient_uid => $patient, trial_uid => $trial, site_uid => $site, subject_id => '1001' });
$stack->sql('UPDATE murallink.visit SET due_at = now()');
$stack->wait_for("SELECT state = 'waiting' FROM murallink.visit");
is(report('1', '1001', 'Week 1'), '200 waiting insufficient_funds', 'found by the worker, it waits for funds');
is(report('2', '1001', 'Week 2'), '200 waiting insufficient_funds', 'and so does the next one');
as_admin('add_funding', { contract_uid => $contract, amount => 15 });
$stack->wait_for("SELECT state = 'payment_made' FROM murallink.visit WHERE source_ref = '1'");
is($stack->sql('SELECT status, amount FROM murallink.payment'), 'approved|10', 'it is paid when they come, as far as they go');
is(report('2', '1001', 'Week 2'), '200 waiting insufficient_funds', 'the other one goes on waiting');
as_admin('add_funding', { contract_uid => $contract, amount => 5 });
$stack->wait_for("SELECT state = 'payment_made' FROM murallink.visit WHERE source_ref = '2'");
is($stack->sql('SELECT count(*) FROM murallink.payment p JOIN murallink_private.payout o ON o.payment_uid = p.uid'), 2, 'each has a payout');
like(report('1', '1001', 'Week 1', amount => 99), qr{^404 }, 'nobody who reports chooses an amount');

note 'tables in CSV';
my %csv = ('Content-Type' => 'text/plain', 'Session-Id' => $stack->{session});
my $table = "site_uid;first_name;last_name;trial_uid;subject_id\r\n$site;Bea;Beta;$trial;1002\r\n$site;Cid;Gamma;$trial;1001\r\n";
foreach my $dry_run (1, 0)
{
	my ($status, $rows) = $client->request('POST', "$client->{url}/rpc/import_patients", "\xEF\xBB\xBF$table", { %csv, $dry_run ? ('Dry-Run' => 'true') : () });
	is($status . join(',', map { ' ' . join ' ', grep { defined } @{$_}{qw(row_number state error field)} } @$rows), '200 1 added, 2 already_exists subject_id',
		$dry_run ? 'can be tried' : 'and done');
	is($stack->sql("SELECT count(*) FROM murallink.patient WHERE first_name = 'Bea'"), 1 - $dry_run, 'row by row');
}
my ($status, $answer) = $client->request('POST', "$client->{url}/rpc/import_visits", "source,amount\nctms,5\n", \%csv);
is("$status $answer->{details}", '400 unknown_key: amount', 'a column that there is not is refused by name');
like($answer->{hint}, qr/source, source_ref, protocol_id/, 'with the columns that there are');
my $utf16 = pack('v*', 0xFEFF, unpack('C*', $table));
foreach ([ 'Latin-1', "$table$site;Zo\xEB;Delta;;\r\n", qr/UTF-8/ ], [ 'UTF-16', $utf16, qr/UTF-8/ ], [ 'UTF-16 without a mark', substr($utf16, 2), qr/UTF-8/ ],
	[ 'a byte that is zero', "$table\0\r\n$site;Dan;Delta;;\r\n", qr/zero/ ])
{
	my ($what, $body, $hint) = @$_;
	my ($code, $said) = $client->request('POST', "$client->{url}/rpc/import_patients", $body, \%csv);
	is($code, 400, "$what is refused");
	like($said->{hint}, $hint, 'with what to do');
}
is($stack->sql("SELECT count(*) FROM murallink.patient WHERE first_name = 'Bea'"), 1, 'as a whole');

note 'REDCap, whose form comes through the documented proxy, with the key of a service in the URL';
as_admin('set_reference', { kind => 'trial', resource_uid => $trial, source => 'redcap', ref => '77' });
as_admin('set_reference', { kind => 'milestone', resource_uid => $trial, source => 'redcap', ref => 'v1_arm_1:visit', milestone => 'Week 1' });
as_admin('add_funding', { contract_uid => $contract, amount => 50 });
my $service = as_admin('create_service', { email => 'redcap@example.com', name => 'REDCap' })->{uid};
my $key = as_admin('create_api_key', { user_uid => $service, name => 'redcap', note => 'asked for by the site' })->{key};
as_admin('grant', { resource_uid => $contract, user_uid => $service, permission => 'visit_done' });
my $proxy = $stack->start_proxy(slurp_file('docs/applications.md') =~ /^```nginx redcap\n(.*?)^```/ms);
my %form = ('Content-Type' => 'application/x-www-form-urlencoded');
foreach my $complete (0, 2, 2)
{
	my ($code, $said) = $client->request('POST', "$proxy/redcap?key=$key",
		"project_id=77&instrument=visit&record=1002&redcap_event_name=v1_arm_1&visit_complete=$complete&redcap_url=https%3A%2F%2Fx", \%form);
	is(join(' ', $code, ref $said ? $said->{state} // 'nothing' : 'nothing'), $complete ? '200 payment_made' : '200 nothing', "complete: $complete");
}
is(($client->request('POST', "$proxy/redcap?key=" . ($key =~ tr/0-9a-f/1-9a-f0/r), 'project_id=77', \%form))[0], 401, 'another key is nobody\'s');
is(($client->request('POST', "$proxy/redcap?key=$key", 'project_id=77&more=' . 'x' x 100_000, \%form))[0], 413, 'a large body is refused');
is(($client->request('POST', "$client->{url}/rpc/redcap_trigger", 'project_id=77&more=x', { %form, 'Api-Key' => $key }))[0], 404,
	'without the proxy PostgREST refuses such a form');
kill 'TERM', $stack->running('postgrest');
Murallink::Stack::poll('its end', sub { !$stack->running('postgrest') });
is(($client->request('POST', "$proxy/redcap?key=$key", 'project_id=77', \%form))[0], 502, 'nor is anything while PostgREST is down');
unlike(join('', map { slurp_file("$stack->{dir}/$_") } qw(nginx.log nginx_error.log nginx_access.log postgrest.log)), qr/\Q$key/, 'the key is in no log');
is($stack->sql("SELECT count(*), sum(amount) FROM murallink.payment WHERE patient_uid IN (SELECT uid FROM murallink.patient WHERE first_name = 'Bea')"), '1|10',
	'it is paid once');
is($stack->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the books are right');

done_testing();
