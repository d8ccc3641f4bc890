-- Bastion's lists, its events, and the functions of its calls.

CREATE TABLE murallink.bastion_plan (
    id text PRIMARY KEY,
    name text,
    description text,
    category text,
    state text,
    premium numeric,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_plan IS 'The plans that Bastion has listed; null if a value is missing.';
COMMENT ON COLUMN murallink.bastion_plan.id IS 'Bastion''s number.';
COMMENT ON COLUMN murallink.bastion_plan.description IS 'In Bastion''s words.';
COMMENT ON COLUMN murallink.bastion_plan.category IS 'Category.';
COMMENT ON COLUMN murallink.bastion_plan.state IS 'Such as Published.';
COMMENT ON COLUMN murallink.bastion_plan.premium IS 'In the currency of the contract with Bastion.';

CREATE TABLE murallink.bastion_condition (
    id text PRIMARY KEY,
    name text,
    chapter_id text,
    status text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_condition IS
'The pre-existing conditions that Bastion has listed; null if a value is missing.';
COMMENT ON COLUMN murallink.bastion_condition.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_condition.chapter_id IS 'Number of its chapter.';
COMMENT ON COLUMN murallink.bastion_condition.status IS '1: in use.';

CREATE TABLE murallink.bastion_state (
    id text PRIMARY KEY,
    name text,
    country_id text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_state IS
'The states and regions that Bastion has listed; null if a value is missing.';
COMMENT ON COLUMN murallink.bastion_state.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_state.country_id IS 'Number of the country.';

CREATE TABLE murallink.bastion_city (
    id text PRIMARY KEY,
    name text,
    state_id text,
    heard_at timestamptz NOT NULL
);
COMMENT ON TABLE murallink.bastion_city IS 'The cities that Bastion has listed; null if a value is missing.';
COMMENT ON COLUMN murallink.bastion_city.id IS 'Number.';
COMMENT ON COLUMN murallink.bastion_city.state_id IS 'Number of the state.';

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
COMMENT ON TABLE murallink.bastion_provider IS
'The providers of care that Bastion has listed; null if a value is missing.';
COMMENT ON COLUMN murallink.bastion_provider.code IS 'Code.';
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

-- What all of these lists have in common.
FOREACH relation IN ARRAY ARRAY['murallink.bastion_plan', 'murallink.bastion_condition', 'murallink.bastion_state',
    'murallink.bastion_city', 'murallink.bastion_provider']::regclass[]
LOOP
    EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.name IS %L', relation, 'Name.');
    EXECUTE pg_catalog.format('COMMENT ON COLUMN %s.heard_at IS %L', relation, 'When it was listed.');
    EXECUTE pg_catalog.format('CREATE POLICY viewer ON %s FOR SELECT USING (murallink_private.caller() IS NOT NULL)', relation);
    EXECUTE pg_catalog.format('CREATE POLICY operator ON %s FOR SELECT TO murallink_operator USING (true)', relation);
END LOOP;

CREATE TABLE murallink_private.bastion_event (
    uid murallink.ksuid PRIMARY KEY DEFAULT murallink.gen_ksuid(),
    event text NOT NULL,
    content_hash bytea NOT NULL UNIQUE,
    content jsonb NOT NULL,
    task_uid murallink.ksuid REFERENCES murallink_private.call,
    times integer NOT NULL DEFAULT 1,
    heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    last_heard_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE murallink_private.bastion_event IS 'The events of Bastion''s webhook, each content once.';
COMMENT ON COLUMN murallink_private.bastion_event.uid IS 'Key.';
COMMENT ON COLUMN murallink_private.bastion_event.event IS 'Its name, such as added-policy-member.';
COMMENT ON COLUMN murallink_private.bastion_event.content_hash IS 'SHA-256 of the content.';
COMMENT ON COLUMN murallink_private.bastion_event.content IS 'The body without the access key.';
COMMENT ON COLUMN murallink_private.bastion_event.task_uid IS 'The task in doubt that it has decided, if any.';
COMMENT ON COLUMN murallink_private.bastion_event.times IS 'How often it has arrived.';
COMMENT ON COLUMN murallink_private.bastion_event.heard_at IS 'When it arrived first.';
COMMENT ON COLUMN murallink_private.bastion_event.last_heard_at IS 'When it arrived last.';

CREATE INDEX call_member_told ON murallink_private.call (murallink_private.member_key(facts ->> 'member_id'))
    WHERE partner = 'bastion' AND facts ->> 'member_id' IS NOT NULL;
CREATE INDEX call_member_asked ON murallink_private.call (murallink_private.member_key(params ->> 'member_id'))
    WHERE partner = 'bastion' AND params ->> 'member_id' IS NOT NULL;
CREATE INDEX call_endorse ON murallink_private.call (partner) WHERE operation = 'endorse';
INSERT INTO murallink_private.call_kind (resource, partner, operation, judges, follows)
VALUES
    ('request', 'bastion', 'plans', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'plan', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'conditions', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'states', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'cities', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'providers', '', 'bastion_lists_follow'),
    ('request', 'bastion', 'endorse', 'bastion_endorsement_judge', 'bastion_endorsements_follow'),
    ('request', 'bastion', 'change_password', '', 'bastion_password_follow'),
    ('participation', 'bastion', 'endorse', 'bastion_endorsement_judge', 'bastion_endorsements_follow'),
    ('participation', 'bastion', 'remove', 'bastion_change_judge', 'bastion_changes_follow'),
    ('participation', 'bastion', 'undo_remove', 'bastion_change_judge', 'bastion_changes_follow'),
    ('participation', 'bastion', 'change_plan', 'bastion_change_judge', 'bastion_changes_follow'),
    ('call', 'bastion', 'member_status', '', 'bastion_answers_follow'),
    ('call', 'bastion', 'member_plan', '', 'bastion_answers_follow');
