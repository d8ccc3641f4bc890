-- Who changed what from what to what.
\set SHOW_CONTEXT never
SET datestyle = 'ISO';
CREATE ROLE regress_audit_admin LOGIN IN ROLE murallink_client;
SELECT uid AS admin FROM murallink.create_admin('admin.audit@example.com', 'correct horse', 'Aldo', 'Admin') \gset
SELECT uid AS "user" FROM murallink.register('user.audit@example.com', 'correct horse', 'Ugo', 'User') \gset
SELECT session_id AS user_session FROM murallink.login('user.audit@example.com', 'correct horse') \gset
SELECT murallink.set_db_role('admin.audit@example.com', 'regress_audit_admin');

-- What is recorded: every table but those that are records themselves
SELECT c.relname AS not_audited FROM pg_class c
WHERE (c.relnamespace = 'murallink'::regnamespace OR c.relname = 'payment') AND c.relkind IN ('r', 'p')
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'audit'
        AND t.tgfoid = 'murallink_private.audit_record'::regproc AND t.tgenabled IN ('O', 'A'))
ORDER BY c.relname;
-- Of these every session forgets what it remembers, also when replication brings their rows
SELECT tgrelid::regclass AS remembered FROM pg_trigger
WHERE (tgfoid = 'murallink_private.audit_record'::regproc AND encode(tgargs, 'escape') LIKE 'remembered%' OR tgfoid = 'murallink_private.install_changed'::regproc)
    AND tgenabled = 'A'
ORDER BY tgrelid::regclass::text COLLATE "C";

-- Every new thing has its event, which names who made it and stands where the thing stands
SET SESSION AUTHORIZATION regress_audit_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Audited') \gset
SELECT uid AS contract FROM murallink.create_contract(client_uid => :'client', name => 'Audited', currency => 'USD') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Audited') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Audited') \gset
SELECT uid AS patient FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Patient', email => 'pat@example.com') \gset
SELECT murallink.enroll(:'patient', :'trial', :'site', 'A-1'), murallink.add_funding(:'contract', 100),
    murallink.grant(:'trial', 'set_enrollment_status', :'user');
SELECT (murallink.add_milestone('Week 1', 10, 'USD', :'trial', :'site')).milestone, (murallink.manual_payment(:'patient', :'trial', 5)).status;
RESET SESSION AUTHORIZATION;
SELECT resource, action, changes, app_user_uid = :'admin' AS by_admin, switched_by_uid, db_user, client_uid = :'client' AS client,
    contract_uid = :'contract' AS contract,
    trial_uid = :'trial' AS trial, site_uid = :'site' AS site
FROM murallink.audit_event WHERE :'client' = client_uid OR resource_uid = :'patient' ORDER BY at;
SELECT count(*) FILTER (WHERE now() - at < interval '1 hour') = count(*) AS just_now, count(DISTINCT uid) = count(*) AS distinct_uids
FROM murallink.audit_event WHERE client_uid = :'client';

-- A change shows each column that differs, before and after; a change of nothing is none
SELECT resource_uid AS enrollment FROM murallink.audit_event WHERE client_uid = :'client' AND resource = 'enrollment' \gset
SELECT resource_uid AS payment FROM murallink.audit_event WHERE client_uid = :'client' AND resource = 'payment' \gset
SELECT jsonb_build_object('patient_uid', :'patient', 'trial_uid', :'trial', 'status', 'dropped', 'dropped_on', '2022-08-08') AS dropped \gset
CREATE TEMP TABLE seen AS SELECT uid FROM murallink.audit_event;
CREATE FUNCTION pg_temp.news() RETURNS TABLE (
    resource text, action murallink.audit_action, changes jsonb, app_user text, switched_by text, by_this_role boolean)
LANGUAGE sql AS $$
    WITH new AS (
        INSERT INTO pg_temp.seen SELECT e.uid FROM murallink.audit_event e WHERE e.uid NOT IN (SELECT s.uid FROM pg_temp.seen s) RETURNING seen.uid)
    SELECT e.resource, e.action, e.changes, u.first_name, s.first_name, e.db_user = SESSION_USER
    FROM new JOIN murallink.audit_event e USING (uid)
        LEFT JOIN murallink.app_user u ON u.uid = e.app_user_uid LEFT JOIN murallink.app_user s ON s.uid = e.switched_by_uid
    ORDER BY e.at
$$;
SELECT test.answer('set_enrollment_status', :'dropped', :'user_session');
SELECT * FROM pg_temp.news();
SELECT test.answer('set_enrollment_status', :'dropped', :'user_session');
UPDATE murallink.enrollment SET subject_id = subject_id, left_on = left_on WHERE uid = :'enrollment';
SELECT * FROM pg_temp.news();
SET SESSION AUTHORIZATION regress_audit_admin;
SELECT status FROM murallink.approve_payment(:'payment');
RESET SESSION AUTHORIZATION;
SELECT resource, action, changes - 'decided_by_uid' AS changes, app_user, by_this_role FROM pg_temp.news() WHERE resource = 'payment';

-- By hand, the login role is all that is known. Values are text, days and moments as ISO 8601 has them, whatever the
-- session has set; a value that is none is null. What was deleted can be read here
SET datestyle = 'SQL, DMY';
UPDATE murallink.patient SET first_name = E'Pa"t\\', phone = '1', address = ROW(NULL, 'a "b", c', NULL, 'Zürich', NULL, NULL, true),
    email_enabled = true WHERE uid = :'patient';
UPDATE murallink.patient SET address = NULL WHERE uid = :'patient';
UPDATE murallink.contract SET total_contract_value = 1.50, contract_end_date = '2999-11-07' WHERE uid = :'contract';
DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
SELECT resource, action,
    changes - '{uid,app_user_uid,resource_uid,client_uid,contract_uid,trial_uid,granted_by_uid,created_at}'::text[] AS changes,
    changes #>> '{created_at,from}' LIKE '%+00:00' AS utc, app_user, by_this_role
FROM pg_temp.news();
RESET datestyle;

-- An administrator who acts as somebody else is named too
UPDATE murallink_private.session SET switched_by_uid = :'admin' WHERE app_user_uid = :'user';
SET SESSION AUTHORIZATION regress_audit_admin;
SELECT murallink.grant(:'trial', 'set_enrollment_status', :'user');
RESET SESSION AUTHORIZATION;
SELECT test.answer('set_enrollment_status', :'dropped' || jsonb '{"status": "completed", "dropped_on": null}', :'user_session');
SELECT * FROM pg_temp.news();

-- What was rolled back or refused leaves nothing
BEGIN;
UPDATE murallink.trial SET name = 'Other' WHERE uid = :'trial';
ROLLBACK;
SELECT test.answer('set_enrollment_status', :'dropped' || jsonb '{"dropped_on": "9999-12-31"}', :'user_session');
SELECT * FROM pg_temp.news();

-- No password and no session gets there
SELECT count(*) FROM murallink.audit_event WHERE changes::text LIKE '%argon2%' OR resource IN ('credential', 'session', 'login_attempt');

-- What is recorded is never changed, not by the owner of the table and not by a superuser
SELECT statement, test.refusal(statement) FROM (VALUES
    ('UPDATE murallink_private.audit_event SET app_user_uid = NULL'), ('DELETE FROM murallink_private.audit_event'),
    ('DELETE FROM murallink_private.audit_event WHERE false'), ('TRUNCATE murallink_private.audit_event'),
    ('INSERT INTO murallink_private.audit_event SELECT * FROM murallink_private.audit_event ON CONFLICT (uid) DO UPDATE SET action = ''deleted'''))
    AS tried (statement);
SET ROLE murallink_owner;
INSERT INTO murallink_private.audit_event (resource, resource_uid, action) VALUES ('payment', murallink.gen_ksuid(), 'created');
UPDATE murallink_private.idempotency SET answer = NULL WHERE answer IS NULL;
DELETE FROM murallink_private.idempotency;
TRUNCATE murallink_private.idempotency;
DELETE FROM murallink_private.audit_event;
UPDATE murallink_private.audit_event SET changes = NULL;
TRUNCATE murallink_private.audit_event;
RESET ROLE;
SELECT count(*) FROM pg_temp.news();
SELECT murallink_private.audit_record();

-- Not even beside an event that is being written, by a trigger of the table that changes, of those that change with it, or of
-- the audit itself; which may read it and write it elsewhere, row by row
BEGIN;
CREATE FUNCTION public.forge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_ARGV[0] = 'audit_event' THEN
        INSERT INTO murallink_private.audit_event (uid, at, db_user, resource, resource_uid, action)
        VALUES (murallink.gen_ksuid(), now(), 'x', 'payment', murallink.gen_ksuid(), 'created');
    ELSIF TG_ARGV[0] = 'fund_slot' THEN
        UPDATE murallink.fund_slot SET available = available + 1;
    ELSE
        INSERT INTO murallink.fund_entry SELECT murallink.gen_ksuid(), contract_uid, client_uid, currency, 'return', 1, uid, now()
        FROM murallink.payment;
    END IF;
    RETURN NEW;
END
$$;
SELECT format('murallink.manual_payment(%L, %L, 1)', :'patient', :'trial') AS pay \gset
SELECT moment || ' ' || r AS trigger, into_table,
    test.refusal(format($$DO $do$ BEGIN
        CREATE TRIGGER forge %s INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.forge(%L);
        SET LOCAL SESSION AUTHORIZATION regress_audit_admin;
        PERFORM %s;
        RAISE 'forged';
        END $do$ $$, moment, CASE WHEN r IN ('audit_event', 'payment') THEN 'murallink_private.' || r ELSE 'murallink.' || r END, into_table, :'pay')) AS refusal
FROM unnest('{payment,fund_slot,fund_entry,audit_event}'::text[]) AS r, unnest('{BEFORE,AFTER}'::text[]) AS moment,
    unnest('{audit_event,fund_entry,fund_slot}'::text[]) AS into_table
ORDER BY r, moment, into_table;
CREATE TABLE public.forwarded (resource text, uid murallink.ksuid);
GRANT INSERT ON public.forwarded TO murallink_owner;
CREATE FUNCTION public.forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.forwarded VALUES (TG_TABLE_NAME, NEW.uid);
    RETURN NULL;
END
$$;
CREATE TRIGGER forward AFTER INSERT ON murallink_private.audit_event FOR EACH ROW EXECUTE FUNCTION public.forward();
CREATE TRIGGER forward AFTER INSERT ON murallink.fund_entry FOR EACH ROW EXECUTE FUNCTION public.forward();
SET LOCAL SESSION AUTHORIZATION regress_audit_admin;
SELECT amount FROM murallink.manual_payment(:'patient', :'trial', 1);
RESET SESSION AUTHORIZATION;
SELECT f.resource, e.resource, n.movement
FROM public.forwarded f LEFT JOIN murallink.audit_event e USING (uid) LEFT JOIN murallink.fund_entry n USING (uid) ORDER BY 1;
ROLLBACK;

-- Constraints hold for what murallink writes: those of the table, of a domain, and of a reference
BEGIN;
ALTER TABLE murallink_private.audit_event ADD CONSTRAINT no_client CHECK (resource <> 'client') NOT VALID;
SELECT test.refusal('UPDATE murallink.client SET name = ''Other'' WHERE name = ''Audited''');
ALTER DOMAIN murallink.positive ADD CONSTRAINT no_seven CHECK (VALUE <> 7);
SET LOCAL SESSION AUTHORIZATION regress_audit_admin;
SELECT test.refusal(format('SELECT murallink.manual_payment(%L, %L, 7)', :'patient', :'trial'));
RESET SESSION AUTHORIZATION;
CREATE TABLE public.allowed (action murallink.audit_action PRIMARY KEY);
GRANT SELECT, UPDATE ON public.allowed TO murallink_owner;
INSERT INTO public.allowed VALUES ('created');
ALTER TABLE murallink_private.audit_event ADD CONSTRAINT known FOREIGN KEY (action) REFERENCES public.allowed NOT VALID;
SELECT test.refusal('UPDATE murallink.trial SET name = ''Other'' WHERE name = ''Audited''');
ROLLBACK;

-- What is undone leaves nothing, what is done at the commit leaves its event
BEGIN;
DO $$
BEGIN
    UPDATE murallink.client SET name = 'Undone' WHERE name = 'Audited';
    RAISE 'undone';
EXCEPTION WHEN OTHERS THEN
    UPDATE murallink.client SET name = 'Done' WHERE name = 'Audited';
END
$$;
SELECT resource, changes FROM pg_temp.news();
CREATE FUNCTION public.rename() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE murallink.client SET name = 'Audited' WHERE name = 'Done';
    RETURN NULL;
END
$$;
CREATE TABLE public.last (n integer);
CREATE CONSTRAINT TRIGGER rename AFTER INSERT ON public.last DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.rename();
INSERT INTO public.last VALUES (1);
SELECT count(*) FROM pg_temp.news();
COMMIT;
SELECT resource, changes FROM pg_temp.news();
DROP TABLE public.last;
DROP FUNCTION public.rename();

-- updated_at follows each change: where no trigger moves it, the owner's own UPDATE has to; of payments see payment.sql
SET SESSION AUTHORIZATION regress_audit_admin;
SELECT (murallink.schedule_appointment(enrollment_uid => :'enrollment', datetime => '2999-01-01T09:00:00')).datetime;
RESET SESSION AUTHORIZATION;
CREATE FUNCTION pg_temp.moved(relation regclass, assignment text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    moved boolean;
BEGIN
    EXECUTE format('WITH before AS (SELECT uid, updated_at FROM %1$s), after AS (UPDATE %1$s SET %2$s RETURNING uid, updated_at)
        SELECT bool_and(after.updated_at > before.updated_at) FROM before JOIN after USING (uid)', relation, assignment) INTO moved;
    RETURN CASE WHEN moved THEN 'moved' ELSE 'the same' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || split_part(SQLERRM, ' for ', 1);
END
$$;
SELECT attrelid::regclass AS relation INTO TEMP dated FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
WHERE attname = 'updated_at' AND relkind = 'r';
GRANT SELECT ON dated TO murallink_owner;
SET ROLE murallink_owner;
SELECT relation, pg_temp.moved(relation, 'created_at = created_at') AS as_it_is,
    pg_temp.moved(relation, 'updated_at = clock_timestamp()') AS set_to_now, pg_temp.moved(relation, 'updated_at = updated_at - interval ''1 s''') AS set_back
FROM dated ORDER BY relation::text COLLATE "C";
RESET ROLE;

DELETE FROM murallink.permission_grant WHERE app_user_uid = :'user';
UPDATE murallink.app_user SET db_role = NULL WHERE uid = :'admin';
DROP ROLE regress_audit_admin;
