# 64 connections released at the same moment: a milestone is paid as often as it may be, and funds go out to
# the last unit.

use strict;
use warnings;

use IPC::Run qw(start finish);
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 64;

my $node = Murallink::Node->new('race');
$node->init;
# However slow the machine is, no client gives up waiting for those before it.
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\nmurallink.lock_timeout = 0\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
$stack->sql("SELECT murallink.set_db_role('$stack->{admin_email}', session_user)");
$stack->sql(<<'EOS');
CREATE SCHEMA race;
CREATE TABLE race.thing (name text, n integer, uid murallink.ksuid NOT NULL, PRIMARY KEY (name, n));
INSERT INTO race.thing SELECT 'client', 0, uid FROM murallink.create_client('Race');
CREATE FUNCTION race.uid(name text, n integer DEFAULT 0) RETURNS murallink.ksuid
LANGUAGE sql STABLE RETURN (SELECT uid FROM race.thing AS t WHERE t.name = uid.name AND t.n = uid.n);

-- A funded contract that pays by check, a trial at a site, patients by number, and a milestone in two versions, 0 and 1
CREATE FUNCTION race.start(funds numeric, amount numeric, patients integer, num_payments integer DEFAULT 1) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    contract murallink.ksuid := uid FROM murallink.create_contract(
        race.uid('client'), 'Race', currency => 'USD', default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo');
    trial murallink.ksuid := uid FROM murallink.create_trial(contract, 'Race');
    site murallink.ksuid := uid FROM murallink.create_site('Race', trial);
BEGIN
    DELETE FROM race.thing WHERE name <> 'client';
    PERFORM murallink.add_funding(contract, funds);
    INSERT INTO race.thing VALUES ('contract', 0, contract), ('trial', 0, trial);
    INSERT INTO race.thing SELECT 'version', n, added.uid FROM generate_series(0, 1) AS n,
        LATERAL murallink.add_milestone(
            'Week 1', amount + n - 1, 'USD', trial, site, num_payments, make_date(2021 + n, 1, 1)) AS added;
    INSERT INTO race.thing SELECT 'patient', n, added.uid FROM generate_series(0, patients - 1) AS n,
        LATERAL murallink.add_patient(site, 'Patient', n::text) AS added;
    PERFORM murallink.enroll(uid, trial, site, n::text) FROM race.thing WHERE name = 'patient';
END
$$;
-- One of all that moves funds, on a payment at random; what is refused is written down
CREATE TABLE race.refusal (error text);
CREATE FUNCTION race.turn() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    dice integer := floor(random() * 8);
    chosen murallink.ksuid := uid FROM murallink.payment
        WHERE contract_uid = race.uid('contract')
        AND status = CASE WHEN dice < 2 THEN 'pending' ELSE 'approved' END::murallink.payment_status
        ORDER BY random() LIMIT 1;
BEGIN
    IF dice = 4 THEN
        PERFORM murallink.add_funding(race.uid('contract'), 3.33);
    ELSIF dice > 4 OR chosen IS NULL THEN
        PERFORM murallink.manual_payment(
            race.uid('patient'), race.uid('trial'), 0.01 + round((random() * 20)::numeric, 2));
    ELSIF dice = 0 THEN
        PERFORM murallink.reject_payment(chosen, 'a mistake');
    ELSIF dice = 1 THEN
        PERFORM murallink.approve_payment(chosen);
    ELSIF dice = 2 THEN
        PERFORM murallink.cancel_payment(chosen, 'a mistake');
    ELSE
        PERFORM murallink.settle_payout((SELECT uid FROM murallink.payout WHERE payment_uid = chosen), 'paid');
    END IF;
EXCEPTION WHEN OTHERS THEN
    INSERT INTO race.refusal VALUES (SQLERRM);
END
$$;
CREATE VIEW race.balance AS SELECT funded::float, reserved::float, disbursed::float, available::float
FROM murallink.fund_balance WHERE contract_uid = race.uid('contract') AND currency = 'USD';
EOS

my $pay = q{SELECT murallink.milestone_payment(race.uid('patient', :patient), race.uid('version', :client_id % 2))};
my $pay_one = "\\set patient 0\n$pay";
my $pay_each = "\\set patient :client_id\n$pay";
my $already_paid = 'this milestone has been paid as often as the schedule allows';
my $wrong_status = 'the status does not allow this step';
my $insufficient = 'the contract does not have enough funds in this currency';

# Has all clients run a pgbench script once (or more often), from the same moment on. Returns how many runs
# succeeded, and a hash of error messages with how often each was the answer.
sub race
{
	my ($script, $often) = @_;
	my $file = $node->basedir . '/race.sql';
	unlink $file;
	append_to_file($file, "SELECT pg_advisory_lock_shared(1);\n$script;\nSELECT pg_advisory_unlock_shared(1);\n");
	my $gate = $node->background_psql('murallink');
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	my ($output, $errors) = ('', '');
	my @command = (qw(pgbench -n -j 2 -c), CLIENTS, '-t', $often // 1, '-f', $file);
	my $pgbench = start [ @command, '-h', $node->host, '-p', $node->port, 'murallink' ], '>', \$output, '2>', \$errors;
	$node->poll_query_until('murallink',
		"SELECT count(*) = ${\CLIENTS} FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	  or die "the clients do not come to the gate: $errors";
	$gate->query_safe('SELECT pg_advisory_unlock(1)');
	$pgbench->finish;
	$gate->quit;
	my %refused;
	$refused{$1}++ while $errors =~ /aborted in command.*?ERROR:\s+(.*)/g;
	my $done = $output =~ m{actually processed: (\d+)/} ? $1 : 0;
	return ($done, \%refused);
}

sub balance
{
	return $stack->sql('SELECT concat_ws(\' \', funded, reserved, disbursed, available) FROM race.balance');
}

sub is_clean
{
	my ($what) = @_;
	is($stack->sql('SELECT * FROM murallink.verify_ledger()'), '', "$what: the books are right");
	return;
}

foreach my $often (1, 2)
{
	$stack->sql("SELECT race.start(10000, 10, 1, $often)");
	my ($done, $refused) = race($pay_one);
	is($done, $often, "one patient and milestone, two versions' uids: paid $often of 64 times");
	is_deeply($refused, { $already_paid => CLIENTS - $often }, 'all others hear why') or diag(explain($refused));
	is(balance(), "10000 ${\($often * 10)} 0 ${\(10000 - $often * 10)}", 'and hold no funds');
	is_clean('paid');

	$stack->sql(<<'EOS');
SELECT murallink.reject_payment(uid, 'a mistake') FROM murallink.payment WHERE contract_uid = race.uid('contract') LIMIT 1
EOS
	($done, $refused) = race($pay_one);
	is($done, 1, 'what was rejected is paid again, once');
	is(balance(), "10000 ${\($often * 10)} 0 ${\(10000 - $often * 10)}", 'from the funds that it gave back');
	is_clean('paid again');
}

$stack->sql('SELECT race.start(10000, 10, 1)');
my ($done, $refused) = race(<<'EOS');
\if :client_id % 2
SELECT murallink.milestone_payment(race.uid('patient'), race.uid('version'));
\else
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, milestone_uid, occurrence, amount, currency)
SELECT uid, 'milestone', race.uid('version', 1), :client_id, 1, 'EUR' FROM murallink.enrollment
WHERE patient_uid = race.uid('patient');
\endif
EOS
is($done, 1, "by function and by the owner's own INSERT at once: paid once");
is(balance(), '10000 10 0 9990', 'at its price');
is_clean('by function and INSERT');

# One request with one idempotency key, from all at once and from each twice
$stack->sql('SELECT race.start(10000, 10, 1); CREATE TABLE race.answer (answer jsonb)');
($done, $refused) = race(<<'EOS', 2);
INSERT INTO race.answer SELECT murallink.api(jsonb_build_object('action', 'manual_payment', 'idempotency_key', 'once',
    'payload', jsonb_build_object('patient_uid', race.uid('patient'), 'trial_uid', race.uid('trial'), 'amount', 10)))
EOS
is($done, 2 * CLIENTS, 'one request repeated by all: all are answered') or diag(explain($refused));
is($stack->sql(q{SELECT concat_ws(' ', count(DISTINCT answer::text), min(answer ->> 'status_code')) FROM race.answer}), '1 200',
	'with the same bytes');
is(balance(), '10000 10 0 9990', 'and one payment is made');
is_clean('repeated');

# Funds for exactly 25, in slots of which none holds a multiple of the price
foreach my $slots (8, 1, 64)
{
	$stack->sql("ALTER SYSTEM SET murallink.fund_slots = $slots");
	$node->reload;
	$node->poll_query_until('murallink', "SELECT setting = '$slots' FROM pg_settings WHERE name = 'murallink.fund_slots'");
	foreach my $price ('7.77', '100')
	{
		$stack->sql("SELECT race.start(25 * $price, $price, ${\CLIENTS})");
		my ($done, $refused) = race($pay_each);
		is($done, 25, "funds for 25 payments of $price in $slots slots: 25 succeed");
		is_deeply($refused, { $insufficient => CLIENTS - 25 }, 'all others hear that there are none left')
		  or diag(explain($refused));
		is(balance(), (25 * $price) . ' ' . (25 * $price) . ' 0 0', 'there are none left');
		is_clean("$slots slots");
	}
}

# What is given back while a session holds all slots is in as many further ones as there are clients at the same time; the next
# deposit takes them in.
$stack->sql("SELECT race.start(10000, 10, ${\CLIENTS})");
$stack->sql(<<'EOS');
SELECT murallink.manual_payment(t.uid, race.uid('trial'), 1) FROM race.thing AS t, generate_series(1, 10) WHERE t.name = 'patient'
EOS
my $holder = $node->background_psql('murallink');
$holder->query_safe("BEGIN; SELECT murallink_private.fund_hold(race.uid('contract'), n) FROM generate_series(0, 63) AS n");
($done, $refused) = race(<<'EOS', 10);
SELECT murallink.reject_payment((
    SELECT uid FROM murallink.payment WHERE patient_uid = race.uid('patient', :client_id) AND status = 'pending' LIMIT 1), 'a mistake')
EOS
is($done, 10 * CLIENTS, 'all slots held: what is given back waits for nobody') or diag(explain($refused));
my $further = q{SELECT count(*) FROM murallink.fund_slot WHERE contract_uid = race.uid('contract') AND slot > 255};
cmp_ok($stack->sql($further), '<=', CLIENTS, 'it is in few slots');
$holder->query_safe('COMMIT');
$holder->quit;
$stack->sql("SELECT murallink.add_funding(race.uid('contract'), 1)");
is($stack->sql($further), 0, 'until the next deposit');
is(balance(), '10001 0 0 10001', 'with nothing lost');
is_clean('all slots held');

# Everything at once, on a contract that is always short of funds; what is left in the end is there for one payment
$stack->sql("ALTER SYSTEM RESET murallink.fund_slots");
$node->reload;
$stack->sql('SELECT race.start(100, 10, 1)');
($done, $refused) = race('SELECT race.turn()', 25);
is($done, 25 * CLIENTS, 'payments, decisions, payouts and deposits at once') or diag(explain($refused));
is($stack->sql("SELECT DISTINCT error FROM race.refusal WHERE error NOT IN ('$insufficient', '$wrong_status')"),
	'', 'whoever is refused hears why');
is($stack->sql(<<'EOS'), 'deposit disburse release reserve', 'all kinds of movements happen');
SELECT string_agg(DISTINCT movement::text, ' ' ORDER BY movement::text) FROM murallink.fund_entry
WHERE contract_uid = race.uid('contract')
EOS
is_clean('all at once');
$stack->sql(<<'EOS');
SELECT murallink.manual_payment(race.uid('patient'), race.uid('trial'), available::numeric) FROM race.balance
WHERE available > 0 -- the last payment may have taken all by chance
EOS
is($stack->sql('SELECT available FROM race.balance'), 0, 'one payment takes all that is left');
is_clean('in the end');

is_deeply([ grep { /deadlock detected|terminated by signal/ } split /\n/, slurp_file($node->logfile) ], [],
	'no deadlock and no crash on the way');

done_testing();
