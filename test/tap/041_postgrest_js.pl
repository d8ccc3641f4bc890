# An app that is written with postgrest-js, the client library of others, signs in, pays, lists and is refused; and
# examples/murallink.d.ts has the types of the catalogue, with which such an app compiles.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path("$FindBin::RealBin/../..");
my $node = Murallink::Node->new('postgrest_js');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;

sub must
{
	my ($action, $session, $payload) = @_;
	my $answer = $client->api({ action => $action, session_id => $session, payload => $payload });
	die "$action: $answer->{status_code} $answer->{message}\n" if $answer->{status_code} != 200;
	return $answer->{payload};
}

my $admin = must('login', undef, { email => $stack->{admin_email}, password => $stack->{admin_password} })->{session_id};
my $owner = must('create_client', $admin, { name => 'Client' })->{uid};
my @contracts =
  map { must('create_contract', $admin, { client_uid => $owner, name => $_, currency => 'USD' })->{uid} } 'Ours', 'Other';
must('add_funding', $admin, { contract_uid => $_, amount => 1000 }) foreach @contracts;
my $trial = must('create_trial', $admin, { contract_uid => $contracts[0], name => 'Trial' })->{uid};
my $site = must('create_site', $admin, { trial_uid => $trial, name => 'Site' })->{uid};
my $patient = must('add_patient', $admin, { site_uid => $site, first_name => 'Pat', last_name => 'Ient' })->{uid};
must('enroll', $admin, { patient_uid => $patient, trial_uid => $trial, site_uid => $site, subject_id => '1' });
my @weeks = map {
	must('add_milestone', $admin, { milestone => "Week $_", amount => 10 * $_, trial_uid => $trial, site_uid => $site })->{uid}
} 1 .. 3;
my %login = (email => 'app@example.com', password => 'some good password');
my $user = must('register', undef, { %login, first_name => 'App', last_name => 'User' })->{uid};
must('grant', $admin, { user_uid => $user, resource_uid => $contracts[0], permission => $_ })
  foreach qw(milestone_payment manual_payment view_payments view_contract);

# Who may read tables at all: row level security then shows a session what its user may see.
$stack->sql('REVOKE murallink_analyst FROM web_anon');
my ($status) = $client->request('GET', "$client->{url}/payment", undef, { 'Session-Id' => $admin });
is($status, 401, 'tables are closed to a role that is no analyst, in any session');
$stack->sql('GRANT murallink_analyst TO web_anon');

my $input = encode_json({
	%login, url => $client->{url}, patient_uid => $patient, trial_uid => $trial, milestone_uids => \@weeks });
my ($output, $errors) = run_command(['node', "$FindBin::RealBin/postgrest_js.mjs", $input]);
is($errors, '', 'the app runs');
my $answers = decode_json($output || '{}');

# Whether a step succeeded with this data.
sub answered
{
	my ($step, $data) = @_;
	is($answers->{$step}{error}, undef, "$step succeeds");
	is_deeply($answers->{$step}{data}, $data, 'with what it asked for');
	return;
}

# Whether a step was refused with this HTTP status and error: code, message, details and hint.
sub refused
{
	my ($step, $status, @error) = @_;
	is($answers->{$step}{status}, $status, "$step answers $status");
	my $error = $answers->{$step}{error} // {};
	is_deeply([sort keys %$error], [qw(code details hint message)], 'with an error of the usual shape');
	like($error->{ qw(code message details)[$_] }, $error[$_], 'which says what is wrong') foreach 0 .. $#error;
	return;
}

is($answers->{ping}{data}{message}, 'pong', 'the JSON protocol');
is($answers->{'wrong password'}{status}, 401, 'a wrong password');
refused('no session', 401, qr/\APT401\z/, qr/./, qr/\Aunauthenticated\b/);
answered('no session, table', []);
like($answers->{login}{data}{session_id}, qr/\A\w{27}\z/, 'signing in');
answered('my_info', { email => $login{email} });
answered('schedule', [map { { milestone => "Week $_", amount => 10 * $_ } } 1 .. 3]);
is($answers->{pay}{data}{amount}, 30, 'paying');
refused('pay again', 409, qr/\APT409\z/, qr/./, qr/\Aalready_paid\b/);
refused('misspelt', 404, qr/\APGRST202\z/);
refused('wrong type', 400, qr/\APT400\z/, qr/./, qr/\Awrong_type\b/);
refused('missing', 400, qr/\APT400\z/, qr/./, qr/\Amissing_field: amount\z/);
refused('not allowed', 403, qr/\APT403\z/, qr/./, qr/\Aforbidden\b/);
answered('list', [map { { milestone => "Week $_", amount => 10 * $_ } } 3, 2]);
is($answers->{list}{count}, 3, 'of three');
answered('page', [{ amount => 20 }, { amount => 30 }]);
answered('filter', { amount => 20, status => 'pending' });
answered('csv', "amount,currency\n10,USD\n20,USD\n30,USD");
answered('table', { funded => 1000, reserved => 60, available => 940 });
is($answers->{logout}{status}, 204, 'signing out');
refused('logged out', 401, qr/\APT401\z/);

note 'the types';
my $types = slurp_file("$root/examples/murallink.d.ts");
my ($made, $problems) = run_command([ $stack->psql, '-v', 'ON_ERROR_STOP=1', '-f', "$root/dev/types.sql" ]);
is($problems, '', 'are made');
my $generated = "$ENV{TESTDIR}/murallink.d.ts";
unlink $generated;
append_to_file($generated, "$made\n");
ok($types eq "$made\n", 'are those of the catalogue') or diag('copy build/tap/murallink.d.ts to examples');
my ($compiled) = run_command([
	'node', "$root/build/typescript/node_modules/typescript/bin/tsc", qw(--noEmit --strict --target es2022 --module esnext),
	qw(--moduleResolution bundler), "$root/test/tap/postgrest_js.ts" ]);
is($compiled, '', 'an app compiles with them, and what is wrong in it does not');

# contract_document is read beside its contract only: see docs/applications.md.
my ($tried, @unknown) = (0);
while ($types =~ /^\t\t\t(?!contract_document)(\w+): ReadOnly<'\w+', \[\n(.*?)^\t\t\t\]>;/gms)
{
	my ($table, $relations) = ($1, $2);
	while ($relations =~ /To<'(\w+)', \[.*?\], '(\w+)'/g)
	{
		my $select = $1 eq $2 ? "$2(*)" : "$2!$1(*)";
		my ($got) = $client->request('GET', "$client->{url}/$table?select=$select&limit=0", undef, { 'Session-Id' => $admin });
		$tried++;
		push @unknown, "$table $select" if $got != 200;
	}
}
cmp_ok($tried, '>', 100, 'they have relations');
is("@unknown", '', 'which PostgREST embeds');

done_testing();
