# What roles of PostgreSQL that were granted something of murallink, or own the database, can make of it.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "murallink.separate_approver = on\n");
$payouts->patients(2);
$payouts->order_cards;
my $superusers = superusers();
$payouts->sql(<<'EOC');
CREATE FUNCTION public.refusal_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    error text;
    field text;
BEGIN
    EXECUTE statement;
    RETURN '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME, field = COLUMN_NAME;
    RETURN concat_ws(' ', coalesce(nullif(error, ''), SQLERRM), nullif(field, ''));
END
$$
EOC

note 'who may create triggers on our tables has them run by the owner of the data, also at the end of a transaction';
$payouts->sql(<<'EOC');
CREATE ROLE mallory LOGIN;
CREATE SCHEMA mallory AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA murallink, murallink_private TO mallory;
GRANT TRIGGER ON ALL TABLES IN SCHEMA murallink, murallink_private TO mallory;
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
CREATE CONSTRAINT TRIGGER evil AFTER INSERT OR UPDATE ON murallink_private.call DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION mallory.evil();
CREATE CONSTRAINT TRIGGER evil AFTER INSERT OR UPDATE ON murallink_private.payment DEFERRABLE INITIALLY DEFERRED
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
$payouts->sql('DROP TRIGGER evil ON murallink_private.call; DROP TRIGGER evil ON murallink_private.payment; DROP SCHEMA mallory CASCADE');
$payouts->sql('REVOKE ALL ON ALL TABLES IN SCHEMA murallink, murallink_private FROM mallory; DROP OWNED BY mallory; DROP ROLE mallory');

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
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', 7, 'USD' FROM murallink.enrollment LIMIT 1 RETURNING uid
EOC
$payouts->sql("UPDATE murallink_private.payment SET status = 'approved' WHERE uid OPERATOR(pg_catalog.=) '$payment';
	SELECT murallink_private.payout_begin('$payment')");
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
DELETE FROM murallink_private.payout WHERE payment_uid = '$lost';
UPDATE murallink_private.call SET status = 'cancelled' WHERE uid = (SELECT uid FROM murallink_private.payout WHERE payment_uid = '$other');
SELECT format('no payout: %s, moved: %s, %s', bool_or(problem ~ '^payment $lost of .* is paid and has no payout\$'),
    bool_or(problem ~ '^payment $other of .* is paid, its payout .* and its call is cancelled\$'), count(*)) FROM murallink.verify_ledger();
ROLLBACK
EOC

note 'where tokens go is no operator\'s to say, unless an administrator is known to ask';
$payouts->sql('CREATE ROLE olaf LOGIN IN ROLE murallink_operator, murallink_client');
my @server = (smtp => 'smtp://127.0.0.1:9', { from => 'x@example.org' }, {});
my $configure = Murallink::Stack::call(configure_partner => @server);
my %field = (account => 'what', password_reset => 'token', payment => 'amount');
my %said = map { ($_ => Murallink::Stack::call(set_template => $_, 'email', "https://evil.example/{$field{$_}}", 'Hello')) } keys %field;
is(refused_to(olaf => $configure), 'forbidden partner', 'not an operator\'s');
is(refused_to(olaf => $configure =~ s/smtp'/relay'/r), 'insecure_url base_url', 'who does configure others');
is(refused_to(postgres => $configure), '', 'a superuser\'s');
is(refused_to(olaf => $said{$_}), 'forbidden kind', "nor what stands beside them: $_") foreach qw(account password_reset);
is(refused_to(olaf => $said{payment}), '', 'who does say the rest');
is(refused_to(postgres => $said{$_}), '', "but a superuser\'s: $_") foreach qw(account password_reset);
is(refused_to(olaf => $configure), 'forbidden partner', 'nor when it is there');
$payouts->call(set_db_role => $payouts->stack->{admin_email}, 'olaf');
is(refused_to(olaf => $configure), '', 'an administrator\'s');
is(refused_to(olaf => $said{password_reset}), '', 'what is said with them, too');

note 'monitoring sees the state, what needs a person and the levels of funds, and nothing else';
$payouts->sql('CREATE ROLE monica LOGIN IN ROLE murallink_monitor');
is(as_role(monica => 'SELECT count(*) > 0 FROM murallink.worker_status()'), 't', 'the state');
is(as_role(monica => 'SELECT count(*) >= 0 FROM murallink.needs_person'), 't', 'what needs a person');
is(as_role(monica => 'SELECT count(*) FROM murallink.fund_balance WHERE available > 0'), 1, 'the levels of funds');
is($payouts->sql(<<'EOC'), 'fund fund_balance fund_slot needs_person', 'no other table');
SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink'
    AND relkind IN ('r', 'p', 'v') AND has_table_privilege('monica', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
EOC
is($payouts->sql(<<'EOC'), 'granted_all granted_at granted_on permitted worker_status', 'no other function');
SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc WHERE pronamespace::regnamespace::text ~ '^murallink'
    AND has_function_privilege('monica', oid, 'EXECUTE') AND NOT has_function_privilege('public', oid, 'EXECUTE')
EOC

note 'a function that becomes one of clients, or is none any more, is so at once in a session that has called it';
my @changes = (
	'GRANT EXECUTE ON FUNCTION murallink.worker_status() TO murallink_client',
	'REVOKE EXECUTE ON FUNCTION murallink.worker_status() FROM murallink_client',
	'GRANT murallink_monitor TO murallink_client', 'REVOKE murallink_monitor FROM murallink_client');
my $asks = q{SET ROLE wendy; SELECT 'refused: ' || public.refusal_of('SELECT murallink.worker_status()'); RESET ROLE};
$payouts->sql('CREATE ROLE wendy; GRANT USAGE ON SCHEMA murallink TO wendy; GRANT EXECUTE ON FUNCTION murallink.worker_status() TO wendy');
is_deeply([ split /\n/, $payouts->sql(join '; ', $asks, map { ($_, $asks) } @changes) ],
	[ map { "refused: $_" } 'forbidden', '', 'forbidden', '', 'forbidden' ], 'each time');

note 'what is noted of who asked is the role that has been set, behind a login role that is all clients\'';
$payouts->sql('CREATE ROLE gate LOGIN NOINHERIT; GRANT olaf TO gate');
my ($patient, $other_patient) = split /\n/, $payouts->sql('SELECT uid FROM murallink.patient LIMIT 2');
as_role(gate => "SET ROLE olaf; SELECT murallink.$_")
  foreach "hold_payouts('audit', partner => 'dash')", "set_consent('$patient', 'sms', true, 'written')", 'refresh_dash()';
is($payouts->sql(<<'EOC'), 'olaf olaf olaf', 'of holds, of consents, and of what a partner is asked');
SELECT concat_ws(' ', (SELECT max(held_by) FROM murallink_private.payout_hold), (SELECT max(noted_by) FROM murallink.consent WHERE given),
    (SELECT max(requested_by) FROM murallink_private.call WHERE operation IN ('customers', 'programs', 'accounts')))
EOC
as_role(olaf => q{SELECT murallink.release_payouts(partner => 'dash')});

note 'the owner of the data does not move a payout to another card, nor a card to another person or key';
$payouts->wait_settled;
$payouts->call('disable_payouts');
my ($ready) = $payouts->approve(1, $patient);
is($payouts->state_of($ready), 'ready approved', 'a payout is ready');
my $its_card = $payouts->sql("SELECT uid FROM murallink_private.card WHERE patient_uid = '$patient'");
my $other_card = $payouts->sql("SELECT uid FROM murallink_private.card WHERE patient_uid = '$other_patient'");
$payouts->call(reverse_payment => $payouts->sql(<<"EOC"), 'audit');
SELECT payment_uid FROM murallink.payout WHERE status = 'done' AND patient_uid = '$other_patient' LIMIT 1
EOC
my %refused = (
	q{UPDATE murallink_private.call SET params = params || '{"amount": "0.01"}' WHERE operation = 'unload'} => 'append_only call',
	"UPDATE murallink_private.payout SET card_uid = '$other_card' WHERE uid = '$ready'" => 'append_only payout',
	"UPDATE murallink_private.payout SET card_uid = '$other_card' WHERE patient_uid = '$patient' AND uid IN (
		SELECT uid FROM murallink.payout WHERE status = 'done')" => 'append_only payout',
	"UPDATE murallink_private.payout SET partner = 'relay' WHERE uid = '$ready'" => 'append_only payout',
	"UPDATE murallink_private.payout SET patient_uid = '$other_patient' WHERE uid = '$ready'" => 'append_only payout',
	"UPDATE murallink_private.call SET partner = 'relay' WHERE uid = '$ready'" => 'append_only call',
	"UPDATE murallink_private.card SET patient_uid = '$other_patient', program = 'x' WHERE uid = '$its_card'" => 'append_only card',
	"UPDATE murallink_private.card SET proxy_key = '1' WHERE uid = '$its_card'" => 'append_only card');
$payouts->sql('CREATE ROLE owen LOGIN IN ROLE murallink_owner');
foreach my $statement (sort keys %refused)
{
	is(refused_to(owen => $statement), $refused{$statement}, $statement =~ s/\w{27}/X/gr);
}
is($payouts->sql(<<"EOC"), 'payout_card', 'nor is a card another patient\'s where nothing guards the column');
BEGIN;
ALTER TABLE murallink_private.payout DISABLE TRIGGER USER;
SELECT public.refusal_of(\$\$UPDATE murallink_private.payout SET card_uid = '$other_card' WHERE uid = '$ready'\$\$);
ROLLBACK
EOC
$payouts->sql("UPDATE murallink_private.call SET status = 'waiting' WHERE uid = '$ready'; SELECT murallink_private.payouts_route(ARRAY['$ready'::murallink.ksuid])");
is($payouts->sql("SELECT status, card_uid = '$its_card' FROM murallink.payout WHERE uid = '$ready'"), 'ready|t',
	'it is looked up again while it waits');
$payouts->call('enable_payouts');
$payouts->wait_settled;
$payouts->sql('DROP ROLE owen');

note 'the setting makes a second person the default of new trials; not to want one takes who may approve';
my ($boss) = $payouts->sql("SELECT uid FROM murallink.register('boss\@example.com', 'a long password', 'B', 'Oss')");
$payouts->sql("SELECT murallink.set_db_role('boss\@example.com', 'boss')");
$payouts->sql(<<"EOC");
CREATE ROLE boss LOGIN IN ROLE murallink_client;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid)
SELECT '$boss', 'create_trial', 'contract', contract_uid, client_uid, contract_uid FROM public.place
EOC
my $contract = $payouts->sql('SELECT contract_uid FROM public.place');
my $loose = "SELECT murallink.create_trial('$contract', 'Loose', separate_approver => false)";
is(refused_to(boss => $loose), 'forbidden separate_approver', 'refused');
is(refused_to(boss => "SELECT murallink.create_trial('$contract', 'New')"), '', 'made');
is($payouts->sql(q{SELECT separate_approver FROM murallink.trial WHERE name = 'New'}), 't', 'by default with one');

note 'what default privileges give is taken, and what makes admins, sessions or tables asks who calls';
$payouts->stack->sql($_, 'postgres') foreach 'CREATE ROLE anyapp LOGIN', 'CREATE DATABASE other';
$payouts->stack->sql($_, 'other') foreach (
	map({ "ALTER DEFAULT PRIVILEGES GRANT ALL ON $_ TO anyapp, PUBLIC" } qw(FUNCTIONS SCHEMAS TABLES SEQUENCES)),
	map({ "ALTER DEFAULT PRIVILEGES FOR ROLE murallink_owner GRANT ALL ON $_ TO anyapp, PUBLIC" } qw(FUNCTIONS SCHEMAS TABLES SEQUENCES)),
	'CREATE EXTENSION murallink', 'SELECT murallink.install()');
is($payouts->stack->sql(<<'EOC', 'other'), '', 'by the extension and by install()');
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE pronamespace::regnamespace::text ~ '^murallink' AND has_function_privilege('anyapp', oid, 'EXECUTE')
    AND NOT has_function_privilege('public', oid, 'EXECUTE')
UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind <> 'c'
    AND relkind <> 'i' AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee IN (0, 'anyapp'::regrole, 'murallink_client'::regrole))
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname ~ '^murallink' AND has_schema_privilege('anyapp', oid, 'USAGE, CREATE')
EOC
$payouts->sql('GRANT USAGE ON SCHEMA murallink TO anyapp; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA murallink TO anyapp');
is(refused_to(anyapp => "SELECT murallink.$_"), 'forbidden', $_)
  foreach q{create_admin('evil@example.com', 'a long password', 'E', 'Vil')}, q{set_db_role('admin@example.com', 'anyapp')},
  'install()', 'upgrade()';

note 'the schema that PostgREST exposes has what somebody calls, and the other is for the owner of the data';
is($payouts->sql(<<'EOC'), 'create_admin install set_db_role upgrade', 'in the one only superusers\' functions are granted to nobody');
SELECT string_agg(proname, ' ' ORDER BY proname::text) FROM pg_proc p WHERE pronamespace = 'murallink'::regnamespace
    AND NOT EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
        WHERE a.grantee IN (0, 'murallink_client'::regrole, 'murallink_operator'::regrole))
EOC
is($payouts->sql(<<'EOC'), '', 'and what is everybody\'s is of a type');
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace::regnamespace::text ~ '^murallink'
    AND has_function_privilege('public', oid, 'EXECUTE') AND oid::regproc::text !~ '^murallink\.((gen_)?ksuid|day_|moment_)'
EOC
is($payouts->sql(<<'EOC'), 'murallink_owner postgres', 'nobody else names anything in the other');
SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles
WHERE has_schema_privilege(oid, 'murallink_private', 'USAGE') AND rolname !~ '^pg_'
EOC
$payouts->sql('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA murallink_private TO anyapp');
is(refused_to(anyapp => "SELECT murallink_private.$_"), 'permission denied for schema murallink_private', "whatever is granted there: $_")
  foreach q{open_session('000000000000000000000000000')}, q{set_password('000000000000000000000000000', 'x', NULL)},
  'payment_info(NULL)', q{settle_calls('[]')}, 'caller()';
$payouts->sql('REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA murallink_private FROM anyapp');

note 'so that to grant all functions of the schema gives what clients have, and changes nothing by itself';
my $calls = <<'EOC';
SELECT format('SELECT %s(%s)', p.oid::regproc,
    (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n))) AS call
FROM pg_proc p
WHERE pronamespace = 'murallink'::regnamespace AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
    -- The relations of a row show what the tables show.
    AND NOT EXISTS (SELECT FROM pg_class WHERE reltype = proargtypes[0] AND relkind <> 'c')
EOC
my $harmless = 'api(NULL::jsonb) authenticate(NULL::text) changed_payments(NULL::murallink.moment) errors() ping() '
  . 'schedule_at(NULL::murallink.moment, NULL::murallink.moment)';
is($payouts->sql(<<"EOC"), "0|t|$harmless", 'none of them does anything for a role that has not logged in');
BEGIN;
CREATE TEMP TABLE asked ON COMMIT DROP AS $calls;
GRANT SELECT ON asked TO anyapp;
SET LOCAL SESSION AUTHORIZATION anyapp;
CREATE TEMP TABLE answered ON COMMIT DROP AS SELECT call, public.refusal_of(call) AS refusal FROM asked;
RESET SESSION AUTHORIZATION;
SELECT (SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_xact_user_tables WHERE schemaname ~ '^murallink'),
    count(*) > 100, string_agg(regexp_replace(call, '^SELECT murallink\\.', ''), ' ' ORDER BY call COLLATE "C")
        FILTER (WHERE refusal !~ '^(forbidden|unauthenticated|wrong_access_key accessKey|missing_field .*|not_found uid)\$')
FROM answered;
ROLLBACK
EOC

note 'nor does it make an operator of a role: what is no client\'s is for members of our roles';
my $others = <<'EOC';
SELECT format('SELECT %s(%s)', p.oid::regproc,
    (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)))
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE pronamespace = 'murallink'::regnamespace AND prokind = 'f' AND (prosecdef OR lanname = 'c') AND NOT proisstrict
    AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid IN (SELECT prorettype UNION SELECT unnest(proargtypes)) AND typtype = 'p'
        AND typname NOT IN ('void', 'record'))
    AND NOT has_function_privilege('murallink_client', p.oid, 'EXECUTE')
    AND NOT has_function_privilege('murallink_analyst', p.oid, 'EXECUTE')
EOC
my @guarded = split /\n/, $payouts->sql($others);
cmp_ok(scalar(@guarded), '>', 40, 'there are many');
is(join("\n", grep { refused_to(anyapp => $_) ne 'forbidden' } @guarded), '', 'and each refuses one whom somebody granted all functions');
my @by_api = map { m/^SELECT murallink\.(\w+)/ ? $1 : () } @guarded;
is(join("\n", grep { by_api(anyapp => $_) !~ m/^(forbidden|unknown_action)$/ } @by_api), '', 'also as an action');
$payouts->sql(<<'EOC');
CREATE FUNCTION public.status() RETURNS bigint LANGUAGE sql SECURITY DEFINER
RETURN (SELECT count(*) FROM murallink.worker_status())
EOC
is(as_role(anyapp => 'SELECT public.status() > 0'), 't', 'a superuser\'s function may call one for others');
is(refused_to(anyapp => 'SELECT murallink.ping()'), '', 'and what is clients\' is for whom it is granted to');
$payouts->sql('GRANT SELECT ON ALL TABLES IN SCHEMA murallink TO anyapp');
$payouts->call('disable_payouts');
my ($held) = $payouts->approve(1, $patient);
$payouts->sql("SELECT murallink.hold_payouts('audit', payout_uid => '$held')");
my $needed = "SELECT count(*) FROM murallink.needs_person WHERE uid = '$held'";
is(as_role(anyapp => $needed), 0, 'nor does a grant on all tables show it what needs a person');
is(as_role($_ => $needed), 1, "which $_ sees") foreach qw(olaf monica);

note 'a condition of the reader\'s own is not asked about rows that the reader does not see';
$payouts->sql(<<'EOC');
CREATE ROLE ana LOGIN IN ROLE murallink_analyst;
GRANT SELECT ON murallink.needs_person TO ana;
-- Cheaper than any condition of ours, and stable, so that the planner would ask it first.
CREATE FUNCTION public.peek(value text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.000001 AS $$BEGIN RAISE 'seen'; END$$;
EOC
my @peeks = split /\n/, $payouts->sql(<<'EOC');
SELECT format('SELECT count(*) FROM %s x WHERE public.peek(x.%I::text)', attrelid::regclass, attname)
FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE relnamespace = 'murallink'::regnamespace AND relkind IN ('r', 'p', 'v') AND attnum > 0 AND NOT attisdropped
EOC
cmp_ok(scalar(@peeks), '>', 200, 'there are many columns');
is($payouts->sql(<<"EOC"), '', 'in any column of any table or view');
CREATE TABLE public.peeks AS SELECT unnest(ARRAY[@{[ join ', ', map { "\$\$$_\$\$" } @peeks ]}]) AS query;
GRANT SELECT ON public.peeks TO ana;
SET SESSION AUTHORIZATION ana;
SELECT query FROM public.peeks WHERE public.refusal_of(query) <> '';
EOC

note 'nor does the right to read every table and view show a row of them';
is($payouts->sql(<<'EOC'), '', 'to a member of pg_read_all_data');
CREATE ROLE bea LOGIN IN ROLE pg_read_all_data;
CREATE TABLE public.counts AS
SELECT oid::regclass AS relation, format('SELECT 1 / (count(*) = 0)::integer FROM %s', oid::regclass) AS query FROM pg_class
WHERE relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace) AND relkind IN ('r', 'p', 'v');
SET SESSION AUTHORIZATION bea;
SELECT relation, public.refusal_of(query) FROM public.counts WHERE public.refusal_of(query) !~ '^(permission denied for function .*)?$';
EOC

$payouts->stack->sql($_, 'postgres') foreach 'DROP DATABASE other', 'CREATE DATABASE other';
$payouts->stack->sql('ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO murallink_client', 'other');
ok($payouts->quietly(sub { !eval { $payouts->stack->sql('CREATE EXTENSION murallink', 'other'); 1 } }), 'not to our own roles');

note 'roles of murallink that are there before it are as it makes them';
my @attributes = map { "ALTER ROLE murallink_owner $_" } qw(LOGIN SUPERUSER BYPASSRLS CREATEROLE CREATEDB REPLICATION);
foreach my $more (@attributes, 'ALTER ROLE murallink_monitor LOGIN', 'GRANT murallink_owner TO anyapp', 'GRANT monica TO murallink_owner',
	'GRANT murallink_operator TO murallink_client')
{
	my $undo = $more =~ s/(LOGIN|SUPERUSER|BYPASSRLS|CREATEROLE|CREATEDB|REPLICATION)$/NO$1/r;
	$undo =~ s/GRANT (.*) TO /REVOKE $1 FROM /;
	$payouts->stack->sql($_, 'postgres') foreach 'DROP DATABASE other', 'CREATE DATABASE other', $more;
	ok($payouts->quietly(sub { !eval { $payouts->stack->sql('CREATE EXTENSION murallink', 'other'); 1 } }), $more);
	$payouts->stack->sql($undo, 'postgres');
}
$payouts->stack->sql('CREATE EXTENSION murallink', 'other');

is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# Runs a statement as a role that has logged in, and returns its output.
sub as_role
{
	my ($role, $statement) = @_;
	return $payouts->sql("SET SESSION AUTHORIZATION $role; $statement");
}

# The name and field of the error that a role's statement raises, empty where it raises none.
sub refused_to
{
	my ($role, $statement) = @_;
	$statement =~ s/'/''/g;
	return as_role($role => "SELECT public.refusal_of('$statement')");
}

# The name of the error with which api() answers a role's action without a payload, empty where there is none.
sub by_api
{
	my ($role, $action) = @_;
	return as_role($role => qq{SELECT murallink.api('{"action": "$action"}') #>> '{error,code}'});
}

sub superusers { return $payouts->sql('SELECT string_agg(rolname, $$ $$ ORDER BY rolname) FROM pg_roles WHERE rolsuper') }
