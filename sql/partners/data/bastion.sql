-- Lists that Bastion gave, its events, and the triggers of its tasks.

CREATE TABLE murallink.bastion_plan (
    id text PRIMARY KEY,
    name text,
    description text,
    category text,
    state text,
    premium numeric,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_plan IS 'The plans that Bastion has listed; null where it does not say.';
COMMENT ON COLUMN murallink.bastion_plan.id IS 'Bastion''s number.';
COMMENT ON COLUMN murallink.bastion_plan.name IS 'Name.';
COMMENT ON COLUMN murallink.bastion_plan.description IS 'In Bastion''s words.';
COMMENT ON COLUMN murallink.bastion_plan.category IS 'Category.';
COMMENT ON COLUMN murallink.bastion_plan.state IS 'Such as Published.';
COMMENT ON COLUMN murallink.bastion_plan.premium IS 'In the currency of the contract with Bastion.';
COMMENT ON COLUMN murallink.bastion_plan.heard_at IS 'When it was listed.';
CREATE POLICY viewer ON murallink.bastion_plan FOR SELECT USING (murallink.caller() IS NOT NULL);
CREATE POLICY operator ON murallink.bastion_plan FOR SELECT TO murallink_operator USING (true);

CREATE TABLE murallink.bastion_condition (
    id text PRIMARY KEY,
    name text,
    chapter_id text,
    status text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_condition IS 'The pre-existing conditions that Bastion has listed; null where it does not say.';
COMMENT ON COLUMN murallink.bastion_condition.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_condition.name IS 'Name.';
COMMENT ON COLUMN murallink.bastion_condition.chapter_id IS 'Number of the chapter that it stands in.';
COMMENT ON COLUMN murallink.bastion_condition.status IS '1: in use.';
COMMENT ON COLUMN murallink.bastion_condition.heard_at IS 'When it was listed.';
CREATE POLICY viewer ON murallink.bastion_condition FOR SELECT USING (murallink.caller() IS NOT NULL);
CREATE POLICY operator ON murallink.bastion_condition FOR SELECT TO murallink_operator USING (true);

CREATE TABLE murallink.bastion_state (
    id text PRIMARY KEY,
    name text,
    country_id text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_state IS 'The states and regions that Bastion has listed; null where it does not say.';
COMMENT ON COLUMN murallink.bastion_state.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_state.name IS 'Name.';
COMMENT ON COLUMN murallink.bastion_state.country_id IS 'Number of the country.';
COMMENT ON COLUMN murallink.bastion_state.heard_at IS 'When it was listed.';
CREATE POLICY viewer ON murallink.bastion_state FOR SELECT USING (murallink.caller() IS NOT NULL);
CREATE POLICY operator ON murallink.bastion_state FOR SELECT TO murallink_operator USING (true);

CREATE TABLE murallink.bastion_city (
    id text PRIMARY KEY,
    name text,
    state_id text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_city IS 'The cities that Bastion has listed; null where it does not say.';
COMMENT ON COLUMN murallink.bastion_city.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_city.name IS 'Name.';
COMMENT ON COLUMN murallink.bastion_city.state_id IS 'Number of the state.';
COMMENT ON COLUMN murallink.bastion_city.heard_at IS 'When it was listed.';
CREATE POLICY viewer ON murallink.bastion_city FOR SELECT USING (murallink.caller() IS NOT NULL);
CREATE POLICY operator ON murallink.bastion_city FOR SELECT TO murallink_operator USING (true);

CREATE TABLE murallink.bastion_provider (
    code text PRIMARY KEY,
    name text,
    category text,
    email text,
    phone text,
    address_line1 text,
    address_line2 text,
    state text,
    city text,
    longitude numeric,
    latitude numeric,
    rating numeric,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_provider IS 'The providers of care that Bastion has listed; null where it does not say.';
COMMENT ON COLUMN murallink.bastion_provider.code IS 'Code.';
COMMENT ON COLUMN murallink.bastion_provider.name IS 'Name.';
COMMENT ON COLUMN murallink.bastion_provider.category IS 'Category.';
COMMENT ON COLUMN murallink.bastion_provider.email IS 'E-mail address.';
COMMENT ON COLUMN murallink.bastion_provider.phone IS 'Phone.';
COMMENT ON COLUMN murallink.bastion_provider.address_line1 IS 'First line of the address.';
COMMENT ON COLUMN murallink.bastion_provider.address_line2 IS 'Second line of the address.';
COMMENT ON COLUMN murallink.bastion_provider.state IS 'Name of the state.';
COMMENT ON COLUMN murallink.bastion_provider.city IS 'Name of the city.';
COMMENT ON COLUMN murallink.bastion_provider.longitude IS 'In degrees.';
COMMENT ON COLUMN murallink.bastion_provider.latitude IS 'In degrees.';
COMMENT ON COLUMN murallink.bastion_provider.rating IS 'As Bastion rates it.';
COMMENT ON COLUMN murallink.bastion_provider.heard_at IS 'When it was listed.';
CREATE POLICY viewer ON murallink.bastion_provider FOR SELECT USING (murallink.caller() IS NOT NULL);
CREATE POLICY operator ON murallink.bastion_provider FOR SELECT TO murallink_operator USING (true);

CREATE TABLE murallink_private.bastion_event (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    event text NOT NULL,
    content_hash bytea NOT NULL UNIQUE,
    content jsonb NOT NULL,
    task_uid murallink.ksuid REFERENCES murallink_private.partner_task,
    times integer NOT NULL DEFAULT 1,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.bastion_event IS 'What Bastion''s webhook has told, each content once.';
COMMENT ON COLUMN murallink_private.bastion_event.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.bastion_event.event IS 'Its name, such as added-policy-member.';
COMMENT ON COLUMN murallink_private.bastion_event.content_hash IS 'SHA-256 of the content.';
COMMENT ON COLUMN murallink_private.bastion_event.content IS 'All of it but the access key.';
COMMENT ON COLUMN murallink_private.bastion_event.task_uid IS 'The task in doubt that it has settled, if any.';
COMMENT ON COLUMN murallink_private.bastion_event.times IS 'How often it was told.';
COMMENT ON COLUMN murallink_private.bastion_event.heard_at IS 'When it was told first.';
COMMENT ON COLUMN murallink_private.bastion_event.last_heard_at IS 'When it was told last.';

CREATE INDEX partner_task_member_told ON murallink_private.partner_task (murallink.member_key(facts ->> 'member_id'))
    WHERE partner = 'bastion' AND facts ->> 'member_id' IS NOT NULL;
CREATE INDEX partner_task_member_asked ON murallink_private.partner_task (murallink.member_key(params ->> 'member_id'))
    WHERE partner = 'bastion' AND params ->> 'member_id' IS NOT NULL;
CREATE INDEX partner_task_endorse ON murallink_private.partner_task (status) WHERE partner = 'bastion' AND operation = 'endorse';
CREATE UNIQUE INDEX partner_task_change_password ON murallink_private.partner_task (partner)
    WHERE operation = 'change_password' AND status NOT IN ('done', 'declined');
COMMENT ON INDEX murallink_private.partner_task_change_password IS 'There is one new password at a time.';
CREATE TRIGGER settled_bastion_list AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.status = 'done' AND OLD.status <> 'done'
        AND NEW.operation IN ('plans', 'plan', 'conditions', 'states', 'cities', 'providers'))
    EXECUTE FUNCTION murallink.bastion_listed();
-- Before the trigger "step", which looks at the step that comes of it.
CREATE TRIGGER endorsed BEFORE UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation = 'endorse' AND NEW.status = 'done' AND OLD.status = 'claimed')
    EXECUTE FUNCTION murallink.bastion_endorsed();
CREATE TRIGGER settled_password AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation = 'change_password'
        AND NEW.status IN ('done', 'declined') AND OLD.status <> NEW.status)
    EXECUTE FUNCTION murallink.bastion_password();
CREATE TRIGGER doubt AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation = 'endorse'
        AND NEW.status = 'in_doubt' AND OLD.status = 'claimed')
    EXECUTE FUNCTION murallink.bastion_doubt();
CREATE TRIGGER refused_by_bastion BEFORE UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation IN ('remove', 'undo_remove', 'change_plan')
        AND NEW.subject_uid IS NOT NULL AND NEW.status = 'declined' AND OLD.status = 'claimed')
    EXECUTE FUNCTION murallink.bastion_refused();
CREATE TRIGGER ask AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation IN ('remove', 'undo_remove', 'change_plan')
        AND NEW.subject_uid IS NOT NULL AND NEW.status = 'in_doubt' AND OLD.status = 'claimed')
    EXECUTE FUNCTION murallink.bastion_ask();
CREATE TRIGGER settled_asked AFTER UPDATE OF status ON murallink_private.partner_task
    FOR EACH ROW WHEN (NEW.partner = 'bastion' AND NEW.operation IN ('member_status', 'member_plan')
        AND NEW.subject_attempt IS NOT NULL AND OLD.status = 'claimed' AND NEW.status IN ('done', 'declined'))
    EXECUTE FUNCTION murallink.bastion_answered();
