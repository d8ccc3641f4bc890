package Murallink::World;

# Two clients that are alike, with something of every kind below them: to test who may see and do what.
# Each thing has a name, such as client, contract, trial, site or trial_site, and far_client and so on for those
# of the other client. Whatever only those with view_patients may read has the word "Personal" in it.
#
#   my $world = Murallink::World->new($stack);        # in the database of a stack
#   $world->uid('far_site');
#   $world->reaches('contract', 'trial_site');        # whether a grant on the one holds for the other

use strict;
use warnings;

use IPC::Run qw(run);
use Murallink::Stack;

sub new
{
	my ($class, $stack) = @_;
	my $self = bless { stack => $stack }, $class;
	$self->script(<<'EOC');
CREATE ROLE world_admin LOGIN IN ROLE murallink_client, murallink_analyst;
CREATE ROLE world_client LOGIN IN ROLE murallink_client;
CREATE ROLE world_operator LOGIN IN ROLE murallink_operator, murallink_client;
CREATE ROLE world_analyst LOGIN IN ROLE murallink_analyst;
CREATE ROLE world_stranger LOGIN IN ROLE murallink_analyst;
CREATE SCHEMA world;
GRANT USAGE ON SCHEMA world TO PUBLIC;
CREATE TABLE world.thing (name text PRIMARY KEY, uid murallink.ksuid NOT NULL);
GRANT SELECT, INSERT ON world.thing TO PUBLIC;
CREATE FUNCTION world.add(name text, uid murallink.ksuid) RETURNS murallink.ksuid LANGUAGE sql AS
'INSERT INTO world.thing VALUES (name, uid) RETURNING uid';

CREATE FUNCTION world.uid(name text) RETURNS murallink.ksuid LANGUAGE sql AS
'SELECT uid FROM world.thing t WHERE t.name = uid.name';

-- A client with all that can stand below it; what begins with bare_ has nothing below it
CREATE FUNCTION world.make(prefix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    client murallink.ksuid := world.add(prefix || 'client', (murallink.create_client(prefix || 'Clientname')).uid);
    contract murallink.ksuid := world.add(prefix || 'contract', (murallink.create_contract(
        client, 'Contractname', currency => 'USD', default_payment_type_uid => '28LLqy3paByy5jcqpoU9wXuTiYo')).uid);
    other_contract murallink.ksuid := world.add(prefix || 'other_contract',
        (murallink.create_contract(client, 'Other', currency => 'USD')).uid);
    trial murallink.ksuid := world.add(prefix || 'trial',
        (murallink.create_trial(contract, 'Trialname', 'Protocolnumber')).uid);
    other_trial murallink.ksuid := world.add(prefix || 'other_trial', (murallink.create_trial(contract, 'Other')).uid);
    site murallink.ksuid := world.add(prefix || 'site',
        (murallink.create_site('Sitename', contract_uid => contract)).uid);
    other_site murallink.ksuid := world.add(prefix || 'other_site',
        (murallink.create_site('Other', contract_uid => contract)).uid);
    patient murallink.ksuid;
    payment murallink.ksuid;
    caregiver murallink.ksuid;
BEGIN
    PERFORM world.add(prefix || 'bare_client', (murallink.create_client(prefix || 'Bare')).uid);
    PERFORM world.add(prefix || 'bare_contract', (murallink.create_contract(client, 'Bare', currency => 'USD')).uid);
    PERFORM world.add(prefix || 'bare_trial', (murallink.create_trial(contract, 'Bare')).uid);
    PERFORM world.add(prefix || 'bare_site', (murallink.create_site('Bare', contract_uid => contract)).uid);
    PERFORM world.add(prefix || 'trial_site', (murallink.add_trial_site(trial, site)).uid);
    PERFORM world.add(prefix || 'trial_at_other_site', (murallink.add_trial_site(trial, other_site)).uid);
    PERFORM world.add(prefix || 'other_trial_at_site', (murallink.add_trial_site(other_trial, site)).uid);
    PERFORM murallink.add_funding(contract, 10000), murallink.add_funding(contract, 1);
    PERFORM world.add(prefix || 'funding', uid) FROM murallink.funding WHERE contract_uid = contract AND amount = 1;
    PERFORM world.add(prefix || 'milestone', (murallink.add_milestone('Week 1', 10, 'USD', trial, site, 5)).uid);
    PERFORM world.add(prefix || 'newcomer', (murallink.add_patient(site, 'Personal', 'Newcomer')).uid);
    PERFORM world.add(prefix || 'elsewhere', (murallink.add_patient(other_site, 'Personal', 'Elsewhere')).uid);
    PERFORM world.add(prefix || 'neighbour', (murallink.add_patient(site, 'Personal', 'Neighbour')).uid);
    PERFORM murallink.enroll(world.uid(prefix || 'neighbour'), trial, site, 'Neighbournumber');
    patient := world.add(prefix || 'patient', (murallink.add_patient(
        site, 'Personal', 'Personal', prefix || 'personal@example.com', 'Personal', true, true,
        '{"street1": "Personal", "street2": "", "city": "Personal", "state": "VA", "post_code": "23670"}',
        'Personal', 'Personal')).uid);
    PERFORM murallink.enroll(patient, trial, site, 'Subjectnumber');
    PERFORM world.add(prefix || 'enrollment', uid) FROM murallink.enrollment WHERE patient_uid = patient;
    PERFORM world.add(prefix || 'payment', (murallink.manual_payment(patient, trial, 5.43, note => 'Paymentnote')).uid);
    PERFORM world.add(prefix || 'travel', (murallink.travel_payment(patient, trial, 5.43, note => 'Paymentnote')).uid);
    PERFORM world.add(prefix || 'part', (murallink.milestone_payment(
        patient, world.uid(prefix || 'milestone'), 'Paymentnote', fraction => 0.5)).uid);
    PERFORM murallink.add_milestone('Week 2', 10, 'USD', trial, site);
    PERFORM murallink.set_visit_due(trial, 'Week 1', 7);
    PERFORM murallink.mark_paid_elsewhere(patient, trial, 'Week 2', 'Paymentnote');
    payment := world.add(prefix || 'approved',
        (murallink.manual_payment(patient, trial, 5.43, note => 'Paymentnote')).uid);
    PERFORM murallink.approve_payment(payment, 'Paymentnote');
    caregiver := world.add(prefix || 'caregiver',
        (murallink.register_caregiver(patient, 'Personal', 'Personal', 'personal@example.com', 'Personal')).uid);
    PERFORM murallink.upload_document(patient, filename => 'personal.txt', data => 'UGVyc29uYWw=');
    PERFORM murallink.upload_document(caregiver_uid => caregiver, filename => 'personal.txt', data => 'UGVyc29uYWw=');
    PERFORM world.add(prefix || 'appointment',
        (murallink.schedule_appointment(patient_uid => patient, datetime => '2999-01-01T09:00:00')).uid);
    PERFORM murallink.set_reference('trial', trial, 'ctms', prefix || 'T-1'),
        murallink.set_reference('site', site, 'ctms', prefix || '101'),
        murallink.set_reference('milestone', trial, 'ctms', 'SE-1', 'Week 1'),
        murallink.set_reference('enrollment', world.uid(prefix || 'enrollment'), 'ctms', 'S-1'),
        murallink.set_reference('payment', world.uid(prefix || 'payment'), 'ctms', prefix || 'P-1');
    PERFORM world.add(prefix || 'visit', (murallink.visit_done('ctms', prefix || 'V-1', trial_ref => prefix || 'T-1',
        subject_id => 'Subjectnumber', visit_code => 'Week 1', visit_date => current_date,
        status => 'partial', repeat => 3)).uid);
    PERFORM murallink.visit_done('ctms', prefix || 'V-1', trial_ref => prefix || 'T-1',
        subject_id => 'Subjectnumber', visit_code => 'Week 1', visit_date => current_date,
        status => 'partial', repeat => 4);
    PERFORM murallink.visit_done('ctms', prefix || 'V-2', trial_ref => prefix || 'T-1',
        subject_id => 'Nobody', visit_code => 'Week 1', visit_date => current_date);
    PERFORM murallink.upload_contract(contract, 'JVBERg==', 'contract.pdf');
    PERFORM world.add(prefix || 'report', substring(murallink.funding_report(contract) FROM '=(.*)')::murallink.ksuid);
    PERFORM murallink.bulk_email(trial, site, 'Subject', 'Body');
    PERFORM murallink.grant(site, 'enroll', world.uid('user'));
END
$$;
GRANT EXECUTE ON FUNCTION world.make, world.add, world.uid TO PUBLIC;
INSERT INTO world.thing SELECT 'admin', uid FROM murallink.app_user WHERE user_role = 'admin';
INSERT INTO world.thing VALUES
    ('caller', (murallink.register('caller@example.com', 'correct horse', 'Cal', 'Caller')).uid),
    ('user', (murallink.register('user@example.com', 'correct horse', 'Una', 'User')).uid);
UPDATE murallink.app_user SET db_role = 'world_admin' WHERE user_role = 'admin';
SET SESSION AUTHORIZATION world_admin;
SELECT world.make(''), world.make('far_');
RESET SESSION AUTHORIZATION;
UPDATE murallink.app_user SET db_role = NULL WHERE user_role = 'admin';
INSERT INTO murallink_private.card (patient_uid, partner, program, status, proxy_key)
SELECT uid, 'dash', '1', 'done', row_number() OVER (ORDER BY name) FROM world.thing WHERE name ~ '^(far_)?patient$';
UPDATE murallink.patient SET phone = 'Personally' WHERE phone = 'Personal';
-- Payments of each kind that are paid, and two of which one is being taken back
DO $$
DECLARE
    prefix text;
    name text;
    kind murallink.payment_kind;
    made murallink.ksuid;
BEGIN
    FOR prefix, name, kind IN
        SELECT p, n.* FROM unnest(ARRAY['', 'far_']) AS p, (VALUES
            ('paid', 'manual'::murallink.payment_kind), ('paid_travel', 'travel'), ('paid_milestone', 'milestone'),
            ('reversal', 'manual'), ('travel_reversal', 'travel'), ('owed_reversal', 'manual')) AS n
    LOOP
        INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency, milestone_uid, note)
        VALUES (world.uid(prefix || 'enrollment'), kind, 5.43, 'USD',
            CASE kind WHEN 'milestone' THEN world.uid(prefix || 'milestone') END, 'Paymentnote')
        RETURNING uid INTO made;
        UPDATE murallink_private.payment SET status = 'approved' WHERE uid = made;
        INSERT INTO murallink_private.payout (payment_uid, reason) VALUES (made, 'settled_by_person');
        UPDATE murallink_private.payout SET settled_at = clock_timestamp(), reason = '' WHERE payment_uid = made;
        UPDATE murallink_private.payment SET status = 'paid' WHERE uid = made;
        IF name ~ 'reversal' THEN
            INSERT INTO murallink_private.reversal (payment_uid, amount, reason, note, for_operator)
            VALUES (made, 5.43, 'other', 'Paymentnote', false) RETURNING uid INTO made;
        END IF;
        PERFORM world.add(prefix || name, made);
    END LOOP;
    FOREACH prefix IN ARRAY ARRAY['', 'far_'] LOOP
        UPDATE murallink.contract SET recovery_share = 50 WHERE uid = world.uid(prefix || 'contract');
        PERFORM world.add(prefix || 'past_appointment', murallink.gen_ksuid());
        INSERT INTO murallink.appointment (uid, enrollment_uid, at, local_time, time_zone, description)
        SELECT world.uid(prefix || 'past_appointment'), world.uid(prefix || 'enrollment'),
            t, t AT TIME ZONE 'UTC', 'UTC', 'Personal'
        FROM date_trunc('second', now() - interval '1 day') AS t;
        UPDATE murallink_private.payout SET note = 'Paymentnote' WHERE payment_uid = world.uid(prefix || 'approved');
        INSERT INTO murallink.enrollment_note (enrollment_uid, note)
        VALUES (world.uid(prefix || 'enrollment'), 'Paymentnote');
        UPDATE murallink_private.reversal SET status = 'owed_back', decision_note = 'Paymentnote'
        WHERE uid = world.uid(prefix || 'owed_reversal');
        INSERT INTO murallink.recovery (client_uid, contract_uid, trial_uid, site_uid, enrollment_uid, reversal_uid,
            payment_uid, amount, currency, status, ended_at)
        SELECT r.client_uid, r.contract_uid, r.trial_uid, r.site_uid, r.enrollment_uid, r.uid,
            world.uid(prefix || 'paid'), 1, 'USD', 'given_back', now()
        FROM murallink.reversal r WHERE r.uid = world.uid(prefix || 'owed_reversal');
    END LOOP;
END
$$;
INSERT INTO murallink.sponsor (client_uid, name) SELECT uid, name FROM world.thing WHERE name ~ '^(far_)?client$';
UPDATE murallink.contract c SET sponsor_uid = s.uid FROM murallink.sponsor s
WHERE c.client_uid = s.client_uid AND c.name = 'Contractname';

-- Gives a user grants, each a permission and the name of a place
CREATE FUNCTION world.give(user_uid murallink.ksuid, grants text[]) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO murallink.permission_grant (
        app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid, site_uid)
    SELECT user_uid, split_part(g, ' ', 1)::murallink.permission, r.kind, t.uid, r.client_uid, r.contract_uid,
        r.trial_uid, r.site_uid
    FROM (SELECT DISTINCT unnest(grants) AS g) AS given JOIN world.thing t ON t.name = split_part(g, ' ', 2),
        murallink_private.resource(t.uid) AS r
$$;
-- How many rows this transaction wrote or tried to write. A session moves its end as it is used, and its user is
-- seen: no such rows
CREATE TABLE world.counted AS
SELECT oid FROM pg_class WHERE relkind = 'r' AND relname NOT IN ('session', 'last_seen')
    AND relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace);
CREATE FUNCTION world.written() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
        + pg_stat_get_xact_tuples_deleted(oid)) FROM world.counted;
END
$$;
GRANT EXECUTE ON FUNCTION world.give, world.written TO PUBLIC;
EOC
	$self->{uid} = { map { split /\|/ } $self->script('SELECT name, uid FROM world.thing') };
	foreach ($self->script(<<'EOC'))
SELECT t.name, r.kind, r.client_uid, r.contract_uid, r.trial_uid, r.site_uid
FROM world.thing t, murallink_private.resource(t.uid) AS r WHERE r.kind IS NOT NULL ORDER BY t.uid, t.name
EOC
	{
		my ($name, $kind, @place) = split /\|/, $_, -1;
		$self->{kind}{$name} = $kind;
		$self->{place}{$name} = \@place;
	}
	$self->{permissions} = [ $self->script('SELECT unnest(enum_range(NULL::murallink.permission))') ];
	return $self;
}

# Runs statements, each a transaction of its own, and returns the lines of their output. Dies if one fails.
sub script
{
	my ($self, $statements) = @_;
	my ($output, $errors) = ('', '');
	my @psql = (qw(psql -XqAt -v ON_ERROR_STOP=1 -h), @{ $self->{stack} }{qw(host port)});
	splice @psql, -1, 0, '-p';
	push @psql, '-U', $self->{stack}{user}, Murallink::Stack::DATABASE;
	my $succeeded = eval { run \@psql, '<', \$statements, '>', \$output, '2>', \$errors };
	die $errors || $@ unless $succeeded;
	return split /\n/, $output;
}

sub uid { my ($self, $name) = @_; return $self->{uid}{$name} // die "there is no $name in the world\n" }
sub permissions { my ($self) = @_; return @{ $self->{permissions} } }

# The names of all places that something can be granted on.
sub places { my ($self) = @_; return sort keys %{ $self->{kind} } }

# Whether a grant on a place, by name, holds at another: by name, or as its client, contract, trial and site.
sub reaches
{
	my ($self, $granted, $at) = @_;
	my @there = @{ ref $at ? $at : $self->{place}{$at} // die "there is no place $at\n" };
	my %level = (client => [0], contract => [1], trial => [2], site => [3], trial_site => [ 2, 3 ]);
	my $here = $self->{place}{$granted};
	foreach my $level (@{ $level{ $self->{kind}{$granted} } })
	{
		return 0 if $here->[$level] ne $there[$level];
	}
	return 1;
}

1;
