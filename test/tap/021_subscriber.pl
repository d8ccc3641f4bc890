# What logical replication brings, which fires no ordinary triggers, is in force at once, also in a session that
# remembers what was in force before: prices, whether payments are approved as they are made, grants, and who a role is.

use strict;
use warnings;

use IO::Handle;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "wal_level = logical\n");
my $stack = $payouts->stack;
my $dir = $stack->{dir};
$payouts->patients(9);
my @patients = split /\n/, $payouts->sql('SELECT patient_uid FROM murallink.enrollment');
my $version = add_version(1, '2 days');
my $rita = $payouts->sql(<<'EOC');
CREATE ROLE rita LOGIN IN ROLE murallink_client, murallink_analyst;
INSERT INTO murallink.app_user (first_name, last_name, email, db_role) VALUES ('Rita', 'R', 'rita@example.com', 'rita')
RETURNING uid
EOC
grant_rita($_) foreach qw(milestone_payment view_payments);

note 'the subscriber: a restored dump that takes all tables from there on';
$stack->sql('CREATE DATABASE subscriber', 'postgres');
my $copy = "pg_dump -h $dir -U postgres -Fc -f $dir/dump murallink; "
  . "pg_restore -h $dir -U postgres -e -d subscriber $dir/dump";
system('sh', '-ec', $copy) == 0 or die "failed: $copy\n";
$payouts->sql('CREATE PUBLICATION publication FOR TABLES IN SCHEMA murallink, murallink_private');
$payouts->sql(q{SELECT pg_create_logical_replication_slot('slot', 'pgoutput')});
subscriber(<<"EOC");
CREATE SUBSCRIPTION subscription CONNECTION 'host=$dir user=postgres dbname=murallink' PUBLICATION publication
WITH (copy_data = false, create_slot = false, slot_name = slot, synchronous_commit = on)
EOC
subscriber(<<'EOC');
CREATE TABLE public.seen (n serial, answer text);
GRANT INSERT ON public.seen TO rita;
GRANT USAGE ON SCHEMA murallink_private TO rita;
GRANT USAGE ON SEQUENCE public.seen_n_seq TO rita;
EOC

# One session, to the end, of a role that is a user.
open my $session, '|-', "psql -Xq -h $dir -U rita -d subscriber 2> $dir/session.log" or die "psql: $!\n";
$session->autoflush;
my $answers = 0;

note 'a price';
is(pay($_), 'pending 1', 'paid and remembered') foreach 1 .. 2;
add_version(9, '1 day');
caught_up();
is(pay(3), 'pending 9', 'in force');

note 'how trials approve';
$payouts->sql('UPDATE murallink.trial SET approve_milestones = true');
caught_up();
is(pay(4), 'approved 9', 'in force');

note 'grants';
my $look = q{SELECT count(*) FROM murallink.patient};
is(ask($look), 0, 'patients are not seen') foreach 1 .. 2;
grant_rita('view_patients');
caught_up();
is(ask($look), 9, 'they are seen');
$payouts->sql(q{DELETE FROM murallink.permission_grant WHERE permission = 'view_patients'});
caught_up();
is(ask($look), 0, 'not seen again');
grant_rita('view_patients');
caught_up();
is(ask($look), 9, 'seen again');
$payouts->sql('TRUNCATE murallink.permission_grant');
caught_up();
is(ask($look), 0, 'nor when all grants are gone');

note 'who a role is';
is(ask('SELECT murallink_private.caller_is_admin()'), 'false', 'a user') foreach 1 .. 2;
$payouts->sql(q{UPDATE murallink.app_user SET user_role = 'admin' WHERE db_role = 'rita'});
caught_up();
is(ask('SELECT murallink_private.caller_is_admin()'), 'true', 'an administrator');

print $session "\\q\n";
close $session;
subscriber('DROP SUBSCRIPTION subscription');
done_testing();

sub subscriber { my ($statement) = @_; return $stack->sql($statement, 'subscriber') }

# A version of the milestone, in force since then.
sub add_version
{
	my ($amount, $ago) = @_;
	return $payouts->sql(<<"EOC");
INSERT INTO murallink.milestone (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount,
    currency, num_payments, sort_order, code)
SELECT client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, 'Week 1', now() - interval '$ago', $amount, 'USD', 1, 1, 'Week 1'
FROM public.place RETURNING uid
EOC
}

sub grant_rita
{
	my ($permission) = @_;
	return $payouts->sql(<<"EOC");
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid)
SELECT '$rita', '$permission', 'client', client_uid, client_uid FROM public.place
EOC
}

# Waits until the subscriber has what was committed.
sub caught_up
{
	my $lsn = $payouts->sql('SELECT pg_current_wal_lsn()');
	return $payouts->wait_for("SELECT replay_lsn >= '$lsn' FROM pg_stat_replication");
}

# What the session answers.
sub ask
{
	my ($query) = @_;
	print $session "WITH asked (answer) AS ($query) INSERT INTO public.seen (answer) SELECT answer FROM asked;\n";
	$answers++;
	Murallink::Stack::poll($query, sub {
		my @errors = $stack->log_of('session');
		die @errors if @errors;
		return subscriber('SELECT count(*) FROM public.seen') == $answers;
	});
	return subscriber('SELECT answer FROM public.seen ORDER BY n DESC LIMIT 1');
}

# What the session pays a patient, by the first version.
sub pay
{
	my ($n) = @_;
	return ask("SELECT concat_ws(' ', status, trim_scale(amount)) FROM murallink.milestone_payment('$patients[$n]', '$version')");
}
