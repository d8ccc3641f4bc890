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

is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

sub superusers { return $payouts->sql('SELECT string_agg(rolname, $$ $$ ORDER BY rolname) FROM pg_roles WHERE rolsuper') }
