# What roles of PostgreSQL that were granted something of murallink, or own the database, can make of it.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new;
$payouts->patients(2);
$payouts->order_cards;
my $superusers = superusers();

note 'who may create triggers on our tables has them run by the owner of the data, also at the end of a transaction';
$payouts->sql(<<'EOC');
CREATE ROLE mallory LOGIN;
CREATE SCHEMA mallory AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA murallink TO mallory;
GRANT TRIGGER ON ALL TABLES IN SCHEMA murallink TO mallory;
CREATE TABLE mallory.seen (at_table text, who name, session name, path text);
GRANT USAGE ON SCHEMA mallory TO PUBLIC;
GRANT INSERT ON mallory.seen TO PUBLIC;
SET SESSION AUTHORIZATION mallory;
CREATE FUNCTION mallory.evil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mallory.seen VALUES (TG_TABLE_NAME, current_user, session_user, current_setting('search_path'));
    IF (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        ALTER ROLE mallory SUPERUSER;
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER evil AFTER INSERT OR UPDATE ON murallink.payout DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION mallory.evil();
CREATE CONSTRAINT TRIGGER evil AFTER INSERT OR UPDATE ON murallink.payment DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION mallory.evil();
EOC
$payouts->call('disable_payouts');
$payouts->approve(2);
# These were a superuser's own statements.
$payouts->sql('DELETE FROM mallory.seen; ALTER ROLE mallory NOSUPERUSER');
$payouts->call('enable_payouts');
$payouts->wait_settled;
is($payouts->sql('SELECT string_agg(DISTINCT who, $$ $$), count(*) > 3 FROM mallory.seen'), 'murallink_owner|t',
	'triggers deferred to the commit of the worker run as the owner');
is($payouts->sql('SELECT DISTINCT path FROM mallory.seen'), 'pg_catalog, pg_temp', 'with its search path');
is(superusers(), $superusers, 'and make nobody a superuser');
$payouts->sql('DROP TRIGGER evil ON murallink.payout; DROP TRIGGER evil ON murallink.payment; DROP SCHEMA mallory CASCADE');
$payouts->sql('REVOKE ALL ON ALL TABLES IN SCHEMA murallink FROM mallory; DROP OWNED BY mallory; DROP ROLE mallory');

note 'nor does an operator of the owner of the database, which is found before PostgreSQL\'s own, run in any of our functions';
$payouts->sql(<<'EOC');
CREATE ROLE dbo LOGIN;
ALTER DATABASE murallink OWNER TO dbo;
GRANT USAGE ON SCHEMA murallink TO dbo;
SET SESSION AUTHORIZATION dbo;
CREATE TABLE public.seen (who name);
GRANT ALL ON public.seen TO PUBLIC;
CREATE FUNCTION public.eq(murallink.payment_status, murallink.payment_status) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (current_user);
    RETURN true;
END
$$;
CREATE OPERATOR public.= (LEFTARG = murallink.payment_status, RIGHTARG = murallink.payment_status, FUNCTION = public.eq);
EOC
my ($payment) = $payouts->sql(<<'EOC');
INSERT INTO murallink.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', 7, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid
EOC
$payouts->sql("UPDATE murallink.payment SET status = 'approved' WHERE uid OPERATOR(pg_catalog.=) '$payment'");
is($payouts->sql('SELECT count(*) FROM public.seen'), 0, 'it is not asked');
is($payouts->sql("SELECT count(*) FROM murallink.payout WHERE payment_uid = '$payment'"), 1, 'and the payment has a payout');
$payouts->sql('DROP OPERATOR public.= (murallink.payment_status, murallink.payment_status)');
$payouts->wait_settled;

note 'a payment without a payout, and a payout that is not its payment\'s, contradict the books';
my ($lost, $other) = map { $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$_'") } $payouts->approve(2);
$payouts->wait_settled;
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'no contradiction');
is($payouts->sql(<<"EOC"), "no payout: t, moved: t, 2", 'each is told');
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM murallink.payout WHERE payment_uid = '$lost';
UPDATE murallink.payout SET status = 'cancelled' WHERE payment_uid = '$other';
SELECT format('no payout: %s, moved: %s, %s', bool_or(problem ~ '^payment $lost of .* is paid and has no payout\$'),
    bool_or(problem ~ '^payment $other of .* is paid, its payout .* is cancelled\$'), count(*)) FROM murallink.verify_ledger();
ROLLBACK
EOC

is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

sub superusers { return $payouts->sql('SELECT string_agg(rolname, $$ $$ ORDER BY rolname) FROM pg_roles WHERE rolsuper') }
