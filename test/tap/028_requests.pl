# Requests that do not end by themselves, behind PostgREST: they are ended, nobody waits for them without bound, and what
# cannot be read shows no password in the log.

use strict;
use warnings;

use Murallink::Node;
use Murallink::Stack;
use Murallink::World;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant { CANARY => 'Canary-Ostrich-77', STATEMENT_TIMEOUT => 10 };

my $node = Murallink::Node->new('requests');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\nlog_min_messages = warning\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
my $world = Murallink::World->new($stack);
$stack->start_postgrest;
my $client = $stack->client;
my $session = $client->api({
	action => 'login', payload => { email => $stack->{admin_email}, password => $stack->{admin_password} } })->{payload}{session_id};

note 'a filter that takes exponential time, on what a function answers';
my $filter = 'match.%5E(a*)(a*)(a*)(a*)(a*)%5C1%5C2%5C3%5C4%5C5b$';
my $running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'authenticator'";
my @endless = map {
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		my ($status) = eval {
			$stack->client->request('POST', "$stack->{url}/rpc/api?pgrst_scalar->>action=$filter", { action => 'a' x 199 . 'b' });
		};
		POSIX::_exit($status && $status == 500 ? 0 : 1);
	}
	$pid;
} 1 .. 3;
Murallink::Stack::poll('the filters to run', sub { $stack->sql($running) == 3 });
my $began = time;
is(($client->rpc('ping'))[0], 204, 'others are answered');
isnt($stack->sql($running), '0', 'meanwhile');
Murallink::Stack::poll('the filters to end', sub { $stack->sql($running) == 0 });
cmp_ok(time - $began, '<', 6 * STATEMENT_TIMEOUT, 'they end');
foreach my $pid (@endless)
{
	waitpid $pid, 0;
	is($?, 0, 'with an error');
}
my @psql = ('psql', '-XqAt', '-h', $node->host, '-p', $node->port, qw(-U authenticator -d murallink -c));
is(join(' ', map { `@psql 'SHOW $_'` =~ s/\n//r } qw(statement_timeout lock_timeout idle_in_transaction_session_timeout)), '10s 5s 10s',
	'whatever role a request runs as');

note 'a cast that takes hours, and cannot be cancelled, on what an answer repeats';
my $attributes = '<a ' . join(' ', map { "a$_=\"\"" } 1 .. 60_000) . '/>';
my @echoed = ({ action => 'ping', $attributes => 1 }, { action => 'ping', payload => { $attributes => 1 } },
	{ action => 'register', payload => { email => 'a@example.com', password => 'a password', first_name => 'A', address => { $attributes => 1 } } });
foreach my $request (@echoed)
{
	is(($client->request('POST', "$stack->{url}/rpc/api?select=pgrst_scalar:pgrst_scalar->error->>field::xml", $request))[0], 400, 'is refused');
}

note 'a transaction that holds the funds and does not end';
$client->api({ action => 'add_funding', session_id => $session, payload => { contract_uid => $world->uid('contract'), amount => 1000 } });
my @holder = ('psql', '-XqAt', '-h', $node->host, '-p', $node->port, 'murallink');
open my $holder, '|-', @holder or die "psql: $!\n";
$holder->autoflush;
print $holder "SET application_name = 'holder';\nBEGIN;\n",
  "SELECT murallink_private.fund_hold(s.contract_uid, s.slot) FROM (SELECT * FROM murallink.fund_slot ORDER BY 1, 2, 3) AS s;\nSELECT 'held';\n";
Murallink::Stack::poll('the slots to be held', sub {
	$stack->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction' AND query ~ 'held'}) == 1;
});
my %payment = (patient_uid => $world->uid('patient'), trial_uid => $world->uid('trial'), amount => 7);
my ($status, $answer) = $client->rpc('manual_payment', \%payment, { 'Session-Id' => $session });
is($status, 503, 'who needs the funds does not wait for ever') or diag(explain($answer));
like($answer->{details}, qr/^blocked/, 'and learns why');
$answer = $client->api({ action => 'manual_payment', session_id => $session, payload => \%payment });
is($answer->{error}{code}, 'blocked', 'through api(), too');
$stack->sql("ALTER SYSTEM SET murallink.lock_timeout = '1s'");
$stack->sql('SELECT pg_reload_conf()');
my $arguments = join ', ', map { "$_ => '$payment{$_}'" } sort keys %payment;
like(refusal("authenticate('$session'), murallink.manual_payment($arguments)"), qr/PT503.*blocked/s, 'and in SQL, where nobody has set a limit');
print $holder "COMMIT;\nBEGIN;\nLOCK TABLE murallink_private.payment;\nSELECT 'locked';\n";
Murallink::Stack::poll('the table to be locked', sub {
	$stack->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction' AND query ~ 'locked'}) == 1;
});
my %keyed = (action => 'manual_payment', session_id => $session, payload => \%payment, idempotency_key => 'once');
$answer = $client->api(\%keyed);
is($answer->{error}{code}, 'blocked', 'whatever lock it is');
print $holder "LOCK TABLE murallink.app_user, murallink_private.payout_switch;\nSELECT 'more';\n";
Murallink::Stack::poll('more tables to be locked', sub {
	$stack->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction' AND query ~ 'more'}) == 1;
});
foreach my $call (q{register('eve@example.com', 'a long password', 'Eve', '')}, 'disable_payouts()')
{
	like(refusal($call), qr/55P03/, "$call, which asks for no session, waits for no lock without end");
}
print $holder "COMMIT;\nBEGIN;\nSELECT murallink.api('{\"action\": \"my_info\", \"session_id\": \"$session\", \"idempotency_key\": \"held\"}');\nSELECT 'keyed';\n";
Murallink::Stack::poll('the key to be held', sub {
	$stack->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction' AND query ~ 'keyed'}) == 1;
});
is($client->api({ action => 'my_info', session_id => $session, idempotency_key => 'held' })->{error}{code}, 'blocked',
	'nor for the first request under its key');
print $holder "COMMIT;\n";
close $holder;
is($stack->sql(<<'EOC'), '', 'nor does any function that changes something');
CREATE TABLE public.endless (function regprocedure);
DO $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.oid::regprocedure AS signature, p.oid::regproc AS name, t.nulls, t.names
        FROM pg_proc p, LATERAL (
            SELECT coalesce(string_agg('NULL::' || format_type(a.type, NULL) || ' AS a' || a.n, ', '), 'NULL') AS nulls,
                coalesce(string_agg('a' || a.n, ', ' ORDER BY a.n), '') AS names
            FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, n)) AS t
        WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef AND p.provolatile = 'v' AND p.prorettype <> 'trigger'::regtype
    LOOP
        PERFORM set_config('lock_timeout', '0', true);
        EXECUTE format('EXPLAIN SELECT %s(%s) FROM (SELECT %s OFFSET 0) AS nothing', f.name, f.names, f.nulls);
        INSERT INTO public.endless SELECT f.signature WHERE current_setting('lock_timeout') = '0';
    END LOOP;
END
$$;
SELECT * FROM public.endless
EOC
$answer = $client->api(\%keyed);
is($answer->{status_code}, 200, 'and is paid afterwards, under the same key') or diag(explain($answer));
is($client->api(\%keyed)->{payload}{uid}, $answer->{payload}{uid}, 'once');

note 'a password in a request that cannot be read';
foreach my $body (
	'{"action":"login","payload":{"email":"ada@example.com","password":"' . CANARY . '\u0000"}}',
	'{"action":"login","payload":{"email":"ada@example.com","password":"' . 'x' x 200 . CANARY . '\u0000"}}',
	'{"action":"login","payload":{"password":"' . CANARY . '","email":"\ud800"}}',
	'{"payload":{"password":"' . CANARY . '","email":"a@b.example"},"action":"login"')
{
	cmp_ok(($client->request('POST', "$stack->{url}/rpc/api", $body))[0], '>=', 400, 'is refused');
	cmp_ok(($client->request('POST', "$stack->{url}/rpc/login", $body))[0], '>=', 400, 'as a function, too');
	cmp_ok(($client->request('POST', "$stack->{url}/rpc/dash_shipping_update", $body))[0], '>=', 400, 'or a webhook');
}
$stack->sql("ALTER SYSTEM SET $_") foreach "log_statement = 'all'", "log_parameter_max_length_on_error = -1", "log_parameter_max_length = 60";
$stack->sql('SELECT pg_reload_conf()');
$client->request('POST', "$stack->{url}/rpc/api", $_) foreach
  '{"payload":{"password":"' . CANARY . '","email":"ada@example.com"},"action":"login"}',
  '{"payload":{"email":"ada@example.com","token":"1","password":"' . CANARY . '"},"action":"nothing"}',
  '{"action":"nothing","payload":{"new_password":"' . CANARY . '\u0000"}}';
my @log = split /\n/, slurp_file($node->logfile);
is_deeply([ grep { index($_, CANARY) >= 0 } @log ], [], 'the log does not have it');
cmp_ok(scalar(grep { /a statement is not shown/ } @log), '>', 0, 'but says that there was something');

done_testing();

# What an application is answered that has set no limits.
sub refusal
{
	my ($call) = @_;
	my ($output, $errors) = ('', '');
	IPC::Run::run(['psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-v', 'VERBOSITY=verbose', '-c', q{SET statement_timeout = '20s'}, '-c',
		"SELECT murallink.$call", 'murallink'], '>', \$output, '2>', \$errors);
	return $errors;
}
