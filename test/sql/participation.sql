-- Participations: who says which partners take part, and that enrolling never hears of what goes wrong; the worker's part is played here.
\set SHOW_CONTEXT never
CREATE ROLE regress_participation_admin LOGIN IN ROLE murallink_client;
CREATE ROLE regress_participation_operator LOGIN IN ROLE murallink_operator;
SELECT email FROM murallink.create_admin('participation@example.com', 'correct horse', 'Ada', 'Admin');
SELECT murallink.set_db_role('participation@example.com', 'regress_participation_admin');
SET SESSION AUTHORIZATION regress_participation_admin;
SELECT uid AS client FROM murallink.create_client(name => 'Participation') \gset
SELECT uid AS debit FROM murallink.get_payment_types() WHERE name = 'debit' \gset
SELECT uid AS contract FROM murallink.create_contract(
    client_uid => :'client', name => 'Participation', currency => 'USD', default_payment_type_uid => :'debit') \gset
SELECT uid AS trial FROM murallink.create_trial(contract_uid => :'contract', name => 'Trial') \gset
SELECT uid AS site FROM murallink.create_site(trial_uid => :'trial', name => 'Site') \gset
RESET SESSION AUTHORIZATION;
SELECT murallink.enable_payouts();

-- Who may say so, and what is refused
SET SESSION AUTHORIZATION regress_participation_admin;
SELECT test.refusal(format('SELECT murallink.set_trial_partner(%L, ''relay'')', :'trial')) AS no_operator;
SET SESSION AUTHORIZATION regress_participation_operator;
SELECT partner, settings, test.refusal(format('SELECT murallink.set_trial_partner(%L, %L, %L)', trial, partner, settings)) FROM (VALUES
    (NULL, 'relay', '{}'), (:'site', 'relay', '{}'), (:'trial', NULL, '{}'), (:'trial', 'dash', '{}'), (:'trial', 'visa', '{}'),
    (:'trial', 'relay', NULL), (:'trial', 'relay', '[]'), (:'trial', 'relay', '{"colour": "red"}'),
    (:'trial', 'inside_rx', '{"operation": "enroll_pet"}'), (:'trial', 'bastion', '{"relation": "Foe"}'),
    (:'trial', 'bastion', '{"state": "Lagos"}')) AS wrong (trial, partner, settings);
SELECT test.refusal(format('SELECT murallink.set_participation_details(%L, ''bastion'', ''{}'')', :'site')) AS no_patient,
    test.refusal(format('SELECT murallink.remove_trial_partner(%L, ''relay'')', :'trial')) AS none_to_remove,
    test.refusal(format('SELECT murallink.retry_participation(%L, ''relay'')', :'site')) AS none_to_retry;
SELECT murallink.set_trial_partner(:'trial', 'relay');
SELECT murallink.set_trial_partner(:'trial', 'inside_rx', '{"operation": "enroll_card"}');
SELECT murallink.set_trial_partner(:'trial', 'bastion', '{"plan_id": 85, "policy_id": 1}');
SELECT partner, settings FROM murallink.trial_partners() WHERE trial_uid = :'trial';

-- No error of it reaches those who enroll
RESET SESSION AUTHORIZATION;
CREATE TRIGGER poison BEFORE INSERT ON murallink_private.participation_change FOR EACH ROW EXECUTE FUNCTION test.poison();
SET SESSION AUTHORIZATION regress_participation_admin;
SELECT uid AS pat FROM murallink.add_patient(site_uid => :'site', first_name => 'Pat', last_name => 'Doe', phone => '+1 610 555 1212', sms_enabled => true) \gset
SELECT murallink.enroll(:'pat', :'trial', :'site', 'P');
SELECT uid AS visit FROM murallink.add_milestone('Visit', 10, 'USD', :'trial', :'site', 1, '2021-01-01'::timestamptz) \gset
SELECT murallink.add_funding(:'contract', 10) IS NOT NULL AS funded;
SELECT amount, status FROM murallink.milestone_payment(:'pat', :'visit');
SELECT last_name FROM murallink.update_patient(uid => :'pat', last_name => 'Roe');
SELECT status FROM murallink.set_enrollment_status('dropped', :'trial', :'pat');
SELECT status FROM murallink.set_enrollment_status('enrolled', :'trial', :'pat');
RESET SESSION AUTHORIZATION;
DROP TRIGGER poison ON murallink_private.participation_change;

-- What was missed is found
CREATE PROCEDURE test.step() LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE murallink_owner;
    UPDATE murallink_private.participation_sweep SET after = DEFAULT, due_at = DEFAULT;
    WHILE murallink_private.step_participations() LOOP
    END LOOP;
END
$$;
GRANT EXECUTE ON PROCEDURE test.step TO murallink_owner;
CALL test.step();
SELECT partner, wanted, actual, operation, reason FROM murallink.participations(:'pat');
SELECT partner, why, remedy FROM murallink.needs_person WHERE patient_uid = :'pat' ORDER BY partner;
DROP PROCEDURE test.step;
