# 64 connections released at the same moment: a milestone is paid as often as it may be, and funds go out to the last unit.

use strict;
use warnings;

use IPC::Run qw(start finish);
use Murallink::Stack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 64;

my $node = PostgreSQL::Test::Cluster->new('race');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
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

-- A funded contract, a trial at a site, patients by number, and a milestone in two versions, 0 and 1
CREATE FUNCTION race.start(funds numeric, amount numeric, patients integer, num_payments integer DEFAULT 1) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    contract murallink.ksuid := uid FROM murallink.create_contract(race.uid('client'), 'Race', currency => 'USD');
    trial murallink.ksuid := uid FROM murallink.create_trial(contract, 'Race');
    site murallink.ksuid := uid FROM murallink.create_site('Race', trial);
BEGIN
    DELETE FROM race.thing WHERE name <> 'client';
    PERFORM murallink.add_funding(contract, funds);
    INSERT INTO race.thing VALUES ('contract', 0, contract), ('trial', 0, trial);
    INSERT INTO race.thing SELECT 'version', n, added.uid FROM generate_series(0, 1) AS n,
        LATERAL murallink.add_milestone('Week 1', amount + n - 1, 'USD', trial, site, num_payments, make_date(2021 + n, 1, 1)) AS added;
    INSERT INTO race.thing SELECT 'patient', n, added.uid FROM generate_series(0, patients - 1) AS n,
        LATERAL murallink.add_patient(site, 'Patient', n::text) AS added;
    PERFORM murallink.enroll(uid, trial, site, n::text) FROM race.thing WHERE name = 'patient';
END
$$;
CREATE VIEW race.balance AS SELECT funded::float, reserved::float, disbursed::float, available::float
FROM murallink.fund_balance WHERE contract_uid = race.uid('contract') AND currency = 'USD';
EOS

my $pay = 'SELECT murallink.milestone_payment(race.uid(\'patient\', :patient), race.uid(\'version\', :client_id % 2))';
my $pay_one = "\\set patient 0\n$pay";
my $pay_each = "\\set patient :client_id\n$pay";
my $already_paid = 'this milestone has been paid as often as the schedule allows';
my $insufficient = 'the contract has not enough funds in this currency';

# Has all clients run the last line of a pgbench script at the same moment, once. Returns how many succeeded, and a hash of
# error messages with how often each was the answer.
sub race
{
	my ($script) = @_;
	my $file = $node->basedir . '/race.sql';
	unlink $file;
	append_to_file($file, $script =~ s/^(?=.*\z)/SELECT pg_advisory_lock_shared(1);\n/mr);
	my $gate = $node->background_psql('murallink');
	$gate->query_safe('SELECT pg_advisory_lock(1)');
	my ($output, $errors) = ('', '');
	my $pgbench = start [ qw(pgbench -n -j 2 -t 1 -c), CLIENTS, '-f', $file, '-h', $node->host, '-p', $node->port, 'murallink' ],
	  '>', \$output, '2>', \$errors;
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
	is_deeply($refused, { $already_paid => CLIENTS - $often }, 'all others hear why');
	is(balance(), "10000 ${\($often * 10)} 0 ${\(10000 - $often * 10)}", 'and hold no funds');
	is_clean('paid');

	$stack->sql('SELECT murallink.reject_payment(uid) FROM murallink.payment WHERE contract_uid = race.uid(\'contract\') LIMIT 1');
	($done, $refused) = race($pay_one);
	is($done, 1, 'what was rejected is paid again, once');
	is(balance(), "10000 ${\($often * 10)} 0 ${\(10000 - $often * 10)}", 'from the funds that it gave back');
	is_clean('paid again');
}
