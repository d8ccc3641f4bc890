# The life of patients in a trial whose partners are Relay, Inside Rx and Bastion: each hears of it by itself, once, in
# order, whatever fails, and no enrollment and no payment waits for any of it. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $url = $payouts->stack->{sandbox_url};
my $trial = $payouts->sql('SELECT trial_uid FROM public.place');
my $json = JSON::PP->new->canonical;
my %health = (dob => '1980-03-23', gender => 'Female', marital_status => 'Single', state => 15, city => 271, relation => 'Friend');
$payouts->sql(q{CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poisoned'; END $$});
$payouts->call('enable_payouts');

note 'set up before the partners are configured';
$payouts->call(set_trial_partner => $trial, 'relay', {});
$payouts->call(set_trial_partner => $trial, 'inside_rx', {});
$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162 });
is($payouts->refusal(set_trial_partner => $trial, 'dash', {}), 'not_found', 'not with Dash');
is($payouts->refusal(set_trial_partner => $trial, 'relay', { colour => 'red' }), 'unknown_key', 'nor with what it does not know');
is($payouts->refusal(set_trial_partner => $trial, 'bastion', { relation => 'Foe' }), 'invalid_value', 'nor with a wrong value');
my $ann = enroll('Ann', 'Adams');
stopped($ann, $_, 'partner_not_configured') foreach qw(relay bastion inside_rx);
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE remedy = 'configure_partner' AND patient_uid = '$ann'"), 3, 'told');
$payouts->call(configure_partner => 'relay', $url, { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' });
$payouts->call(configure_partner => 'inside_rx', $url, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->call(configure_partner => 'bastion', $url, { plan_id => 85, policy_id => 2058 }, { username => 'murallink', password => 'sandbox' });

note 'what is missing is waited for';
is_in($ann, 'relay');
is(count('text', ccid => $ann), 1, 'texted');
stopped($ann, 'inside_rx', 'missing_field: dob');
stopped($ann, 'bastion', 'missing_field: dob');
$payouts->call(set_participation_details => $ann, 'bastion', \%health);
$payouts->call(set_participation_details => $ann, 'inside_rx', { dob => '1980-03-23' });
is_in($ann, $_) foreach qw(inside_rx bastion);
is((entries('enrollment', memberId => $ann))[-1]{lastName}, 'Adams', 'Inside Rx knows the patient');
is(count('endorsement'), 1, 'Bastion too');

note 'changed details are sent on';
$payouts->sql("UPDATE murallink.patient SET last_name = 'Brown' WHERE uid = '$ann'");
$payouts->wait_for("SELECT count(*) = 2 FROM murallink.participations('$ann') WHERE status = 'done' AND operation IN ('change_details', 'enroll_person')");
eventually(sub { (entries('enrollment', memberId => $ann))[-1]{lastName} eq 'Brown' && count('details_change') == 1 }, 'to both');
is(count('text', ccid => $ann), 1, 'and nothing to Relay');

note 'dropped, and back';
status($ann, 'dropped');
is_out($ann, $_) foreach qw(relay inside_rx bastion);
ok(!(entries('enrollment', memberId => $ann))[-1]{active}, 'deactivated');
is(count('removal'), 1, 'removed');
status($ann, 'enrolled');
is_in($ann, $_) foreach qw(relay inside_rx bastion);
ok((entries('enrollment', memberId => $ann))[-1]{active}, 'active again');
is(join(' ', map { count($_) } qw(endorsement removal restoration)), '1 1 1', 'restored');
is(count('text', ccid => $ann), 1, 'and not texted again');
$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162, plan_id => 86 });
eventually(sub { count('plan_change') == 1 }, 'another plan is changed to');

note 'without consent there is no text';
my $ben = enroll('Ben', 'Clark', sms => 'false');
stopped($ben, 'relay', 'no_consent');
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE patient_uid = '$ben' AND partner = 'relay'"), 0, 'which needs nobody');
$payouts->call(set_consent => $ben, 'sms', 'true', 'Written form of today');
is_in($ben, 'relay');
is((entries('onboard', ccid => $ben))[0]{customer}{notification_channels}[0]{consent_type}, 'written', 'as the record has it');
is((entries('onboard', ccid => $ann))[0]{customer}{notification_channels}[0]{consent_type}, 'express', 'for each');
is($payouts->sql("SELECT string_agg(DISTINCT partner || ' ' || operation, ', ') FROM murallink.partner_tasks(patient_uid => '$ben')"),
	'relay onboard', 'the tasks of a patient have those of the participations');

note 'what was not sent yet is taken back';
$payouts->sql(q{SELECT murallink.hold_payouts('a test', partner => 'relay')});
my $bob = enroll('Bob', 'Cook');
reaches($bob, 'relay', "status = 'ready'", 'to be texted');
$payouts->sql("UPDATE murallink.patient SET sms_enabled = false WHERE uid = '$bob'");
stopped($bob, 'relay', 'no_consent');
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'relay')});
$payouts->wait_looks;
is(count('text', ccid => $bob), 0, 'who has withdrawn the consent is not texted');
$payouts->sql(q{SELECT murallink.hold_payouts('a test', partner => 'relay')});
my $bea = enroll('Bea', 'Cook');
reaches($bea, 'relay', "status = 'ready'", 'to be texted');
poison('BEFORE INSERT ON murallink_private.participation_change');
$payouts->call(set_consent => $bea, 'sms', 'false', 'a call');
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'relay')});
$payouts->wait_looks;
is(count('text', ccid => $bea), 0, 'nor where that was not noted');
$payouts->sql('DROP TRIGGER poison ON murallink_private.participation_change');
sweep();
stopped($bea, 'relay', 'no_consent');

note 'lost answers';
$payouts->fault(operation => 'relay.onboard', when => 'after', action => 'close', count => 1);
my $cat = enroll('Cat', 'Davis', details => 1);
in_doubt($cat, 'relay');
is(count('text', ccid => $cat), 1, 'Relay is not asked again');
is_in($cat, $_) foreach qw(inside_rx bastion);
is($payouts->refusal(retry_participation => $cat, 'relay'), 'wrong_status', 'nor can one have it asked in doubt');
$payouts->call(resolve_task => task($cat, 'relay'), 'true', 'the patient has the text');
is_in($cat, 'relay');
$payouts->fault(operation => 'inside_rx.person', when => 'after', action => 'close', count => 1);
$payouts->fault(operation => 'bastion.addEndorsement', when => 'after', action => 'close', count => 1);
my $dan = enroll('Dan', 'Evans', details => 1);
is_in($dan, 'inside_rx');
in_doubt($dan, 'bastion');
$payouts->sql("UPDATE murallink.patient SET last_name = 'Fox' WHERE uid = '$dan'");
eventually(sub { (entries('enrollment', memberId => $dan))[-1]{lastName} eq 'Fox' }, 'one in doubt stops no other partner');
is(count('details_change'), 1, 'and nothing overtakes it');
$payouts->call(resolve_task => task($dan, 'bastion'), 'true', 'they have it');
stopped($dan, 'bastion', 'no_member_id');
my ($member) = map { $_->{memberId} } (entries('endorsement'))[-1];
my $known = task($dan, 'bastion');
$payouts->call(retry_participation => $dan, 'bastion', $member);
is(audited($known), "retry_participation: $member", 'the audit has who the member is said to be');
eventually(sub { count('details_change', memberId => $member) == 1 }, 'then what has changed meanwhile is sent');
is_in($dan, 'bastion');

note 'declined';
$payouts->fault(operation => 'bastion.addEndorsement', when => 'before', action => 'answer', status => 400, count => 1);
my $eve = enroll('Eve', 'Green', details => 1);
stopped($eve, 'bastion', 'declined: %');
my $declined = task($eve, 'bastion');
$payouts->call(retry_participation => $eve, 'bastion');
is(audited($declined), 'retry_participation', 'that it is tried again is audited');
is_in($eve, 'bastion');

note 'what is wrong is said';
$payouts->sandbox('POST', 'settings', { 'inside_rx.required' => 'gender' });
my $ivy = enroll('Ivy', 'Good', details => 1);
stopped($ivy, 'inside_rx', 'declined: HTTP 400: %');
is($payouts->sql("SELECT why, remedy FROM murallink.needs_person WHERE patient_uid = '$ivy' AND partner = 'inside_rx'"),
	'declined: HTTP 400: Incorrect or missing required parameters.; GENDER_INCORRECT_OR_MISSING of gender|update_patient or set_participation_details',
	'with the code, the field and what helps');
$payouts->call(set_participation_details => $ivy, 'inside_rx', { dob => '1980-03-23', gender => 'female' });
is_in($ivy, 'inside_rx');
$payouts->sandbox('POST', 'settings', { 'inside_rx.required' => '' });
settled();
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 403, count => 1);
my $lea = enroll('Lea', 'Novak', details => 1);
stopped($lea, 'inside_rx', 'declined: HTTP 403%');
is($payouts->sql("SELECT remedy FROM murallink.needs_person WHERE patient_uid = '$lea'"), 'retry_participation or resolve_task', 'or that it can be tried again');
$payouts->call(retry_participation => $lea, 'inside_rx');
is_in($lea, 'inside_rx');

note 'what the partner fails at time and again is seen, and can be ended';
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 500);
my $tim = enroll('Tim', 'Tries', details => 1);
my $seen = "FROM murallink.needs_person WHERE patient_uid = '$tim' AND kind = 'task'";
$payouts->wait_for("SELECT count(*) = 1 $seen");
# It is tried again after some time without us, and is not seen while it is.
$payouts->sql(q{SELECT murallink.hold_payouts('a test', partner => 'inside_rx')});
$payouts->wait_for("SELECT count(*) = 1 $seen");
like($payouts->sql(qq{SELECT why || ' ' || remedy $seen}), qr/^tried several times: enroll_person: HTTP 500.* ask the partner, or resolve_task$/, 'as what it is');
my $tries = $payouts->sql("SELECT uid $seen");
is($payouts->refusal(resolve_task => $tries, 'true', 'they say so'), 'wrong_status', 'it is not done by a word');
$payouts->call(resolve_task => $tries, 'false', 'they cannot');
$payouts->sql(q{SELECT murallink.release_payouts(partner => 'inside_rx')});
$payouts->no_fault;
stopped($tim, 'inside_rx', 'declined: HTTP 500%');
$payouts->call(retry_participation => $tim, 'inside_rx');
is_in($tim, 'inside_rx');

note 'a person knows what the partner refuses to do';
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 403);
status($tim, 'dropped');
stopped($tim, 'inside_rx', 'declined: HTTP 403%');
my $ended = $payouts->sql("SELECT task_uid FROM murallink.participations('$tim') WHERE partner = 'inside_rx'");
is($payouts->refusal(resolve_task => $ended, 'true', ''), 'missing_field', 'and says how it is known');
$payouts->call(resolve_task => $ended, 'true', 'they have ended it by hand');
$payouts->wait_for("SELECT wanted = 'out' AND actual = 'out' AND reason = '' FROM murallink.participations('$tim') WHERE partner = 'inside_rx'");
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE patient_uid = '$tim' AND partner = 'inside_rx'"), 0, 'then nobody is needed');
$payouts->no_fault;

note 'another operation at Inside Rx is another enrollment';
$payouts->call(set_trial_partner => $trial, 'inside_rx', { operation => 'enroll_card' });
eventually(sub { enrollments($lea) =~ /card/ }, 'which is made');
is(enrollments($lea), 'person create active, person update inactive, card create active', 'after the earlier one has ended');
is_in($lea, 'inside_rx');
$payouts->call(set_trial_partner => $trial, 'inside_rx', {});
eventually(sub { enrollments($lea) =~ /card update/ }, 'and back');
eventually(sub { (entries('enrollment', memberId => $lea))[-1]{type} eq 'person' }, 'to the first');
like(enrollments($lea), qr/card update inactive, person update active$/, 'which is there still');
is_in($lea, 'inside_rx');

note 'a refusal is no proof that nothing is there, after an attempt whose answer was lost';
my $gil = enroll_refused('Gil', lost => 'after');
is(enrollments($gil), 'person create active', 'the one that is refused was made before');
is(known($gil, 'inside_rx'), 'unknown', 'which nobody can know');
status($gil, 'dropped');
is_out($gil, 'inside_rx');
is(enrollments($gil), 'person create active, person update inactive', 'who leaves is enrolled no longer');
status($gil, 'enrolled');
is_in($gil, 'inside_rx');
like(enrollments($gil), qr/inactive, person update active$/, 'and who comes back is');
my $guy = enroll_refused('Guy', lost => 'before');
is(enrollments($guy), '', 'the one that is refused was not made before');
status($guy, 'dropped');
is_out($guy, 'inside_rx');
is(enrollments($guy), '', 'who leaves is not enrolled first');
status($guy, 'enrolled');
is_in($guy, 'inside_rx');
my $gia = enroll_refused('Gia', lost => 'after');
$payouts->call(retry_participation => $gia, 'inside_rx');
is_in($gia, 'inside_rx');
is(enrollments($gia), 'person create active, person update active', 'what is asked for again is put right');
lost_and_refused('inside_rx.person', 'after');
status($gia, 'dropped');
stopped($gia, 'inside_rx', 'declined: %');
is(known($gia, 'inside_rx'), 'unknown', 'an end that was made and is refused');
status($gia, 'enrolled');
is_in($gia, 'inside_rx');
like(enrollments($gia), qr/inactive, person update active$/, 'who comes back then is enrolled');
my $members = count('details_change');
# Inside Rx is then asked once more, in the way that is right whatever has become of the update.
lost_and_refused('inside_rx.person', 'after', 2);
lost_and_refused('bastion.updateEnrolleeDetails', 'after');
$payouts->sql("UPDATE murallink.patient SET last_name = 'Wrong' WHERE uid = '$gia'");
stopped($gia, $_, 'declined: %') foreach qw(inside_rx bastion);
is((entries('enrollment', memberId => $gia))[-1]{lastName}, 'Wrong', 'a change that was made and is refused');
is(known($gia, $_), 'unknown', "$_: nobody knows") foreach qw(inside_rx bastion);
$payouts->sql("UPDATE murallink.patient SET last_name = 'Lost' WHERE uid = '$gia'");
is_in($gia, $_) foreach qw(inside_rx bastion);
is((entries('enrollment', memberId => $gia))[-1]{lastName}, 'Lost', 'is taken back at Inside Rx');
is((entries('details_change'))[-1]{customer}{lastName}, 'Lost', 'and at Bastion');
is(count('details_change'), $members + 2, 'by one change');
my $gun = enroll('Gun', 'Lost', details => 1);
is_in($gun, 'inside_rx');
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 404, count => 1);
status($gun, 'dropped');
stopped($gun, 'inside_rx', 'declined: HTTP 404: Member not found.%');
is(known($gun, 'inside_rx'), 'in', 'one that was surely made, and is said not to be there, is for a person');
$payouts->call(retry_participation => $gun, 'inside_rx');
is_out($gun, 'inside_rx');

note 'an enrollment that was there before, and cannot be updated';
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 400,
	body => '{"message": "Enrollment Already Exists.", "statusCode": 400}', count => 1);
$payouts->fault(operation => 'inside_rx.person', when => 'before', action => 'answer', status => 400, count => 1);
my $gem = enroll('Gem', 'Lost', details => 1);
stopped($gem, 'inside_rx', 'declined: %');
$payouts->wait_idle;
is(attempts($gem), 2, 'is not updated over and over');
is(known($gem, 'inside_rx'), 'unknown', 'and nobody knows how it stands');
$payouts->call(retry_participation => $gem, 'inside_rx');
is_in($gem, 'inside_rx');

note 'nothing of this is in the way';
poison('BEFORE INSERT ON murallink_private.participation_change');
my $fay = enroll('Fay', 'Hill');
status($ann, 'completed');
$payouts->sql("UPDATE murallink.patient SET last_name = 'Hills' WHERE uid = '$fay'");
pays($fay, 'with a poisoned trigger');
$payouts->sql('DROP TRIGGER poison ON murallink_private.participation_change');
is($payouts->sql("SELECT count(*) FROM murallink.participations('$fay')"), 0, 'not noted');
sweep();
is_in($fay, 'relay');
is_out($ann, $_) foreach qw(relay inside_rx bastion);
poison('BEFORE UPDATE ON murallink_private.participation');
my $gus = enroll('Gus', 'Irwin');
pays($gus, 'with a poisoned step');
$payouts->wait_for("SELECT count(*) > 0 FROM murallink.needs_person WHERE patient_uid = '$gus' AND why LIKE '%poisoned'");
$payouts->sql('DROP TRIGGER poison ON murallink_private.participation');
$payouts->sql('UPDATE murallink_private.participation_change SET due_at = clock_timestamp()');
is_in($gus, 'relay');
$payouts->sql(<<'EOC');
ALTER FUNCTION murallink_private.relay_membership RENAME TO relay_membership_kept;
CREATE FUNCTION murallink_private.relay_membership(jsonb, jsonb, jsonb, boolean, jsonb, OUT operation text, OUT params jsonb, OUT meant jsonb, OUT reason text)
LANGUAGE plpgsql AS $$ BEGIN RAISE 'poisoned'; END $$
EOC
my $jim = enroll('Jim', 'Lamb', details => 1);
pays($jim, 'with a partner whose function fails');
is_in($jim, $_) foreach qw(inside_rx bastion);
$payouts->wait_for("SELECT count(*) = 1 AND NOT EXISTS (SELECT FROM murallink_private.participation_change WHERE problem = '' AND patient_uid = '$jim') FROM murallink.needs_person WHERE patient_uid = '$jim' AND why = 'relay: poisoned'");
pass('a person is told, once');
$payouts->sql('DROP FUNCTION murallink_private.relay_membership; ALTER FUNCTION murallink_private.relay_membership_kept RENAME TO relay_membership');
$payouts->sql('UPDATE murallink_private.participation_change SET due_at = clock_timestamp()');
is_in($jim, 'relay');
$payouts->call(configure_partner => 'inside_rx', 'http://127.0.0.1:9', { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
my $kim = enroll('Kim', 'Moss', details => 1);
pays($kim, 'with a partner that is not there');
is_in($kim, $_) foreach qw(relay bastion);
reaches($kim, 'inside_rx', "actual = 'out' AND status IN ('ready', 'claimed') AND reason <> ''", 'waits');
$payouts->call(configure_partner => 'inside_rx', $url, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->sql(q{UPDATE murallink_private.call SET due_at = clock_timestamp() WHERE status = 'ready'});
is_in($kim, 'inside_rx');
my $locker = $payouts->session('BEGIN; SELECT FROM murallink_private.participation FOR UPDATE');
my $hal = enroll('Hal', 'Jones');
status($gus, 'dropped');
pays($hal, 'with locked rows');
is_in($hal, 'relay');
close $locker;
is_out($gus, 'relay');
$locker = $payouts->session('BEGIN; LOCK TABLE murallink_private.participation_change, murallink_private.participation, murallink_private.trial_partner');
my $ida = enroll('Ida', 'King');
pays($ida, 'with locked tables');
is($payouts->sql(<<'EOC'), 1, 'while they are locked');
SELECT count(*) FROM pg_locks
WHERE relation = 'murallink_private.trial_partner'::regclass AND mode = 'AccessExclusiveLock' AND granted
EOC
close $locker;
sweep();
is_in($ida, 'relay');

note 'two trials';
$payouts->sql(<<'EOC');
WITH trial AS (
    INSERT INTO murallink.trial (client_uid, contract_uid, name) SELECT client_uid, contract_uid, 'Two' FROM public.place RETURNING *
)
INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
SELECT t.client_uid, t.contract_uid, t.uid, p.site_uid FROM trial t, public.place p
EOC
my $two = $payouts->sql(q{SELECT uid FROM murallink.trial WHERE name = 'Two'});
$payouts->call(set_trial_partner => $two, 'bastion', { country => 162 });
my $removals = count('removal');
$payouts->sql(<<"EOC");
INSERT INTO murallink.enrollment (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT client_uid, contract_uid, trial_uid, site_uid, uid, '$eve', 'E2' FROM murallink.trial_site WHERE trial_uid = '$two'
EOC
status($eve, 'dropped', $trial);
is_out($eve, 'inside_rx');
is_in($eve, 'bastion');
is(count('removal'), $removals, 'the last trial keeps the member');
$payouts->call(remove_trial_partner => $two, 'bastion');
is_out($eve, 'bastion');
is(count('removal'), $removals + 1, 'until it ends');

note 'each was told once';
$payouts->wait_idle;
my %texts;
$texts{ $_->{ccid} }++ foreach entries('text', client_message_tag => '');
is(join(' ', grep { $texts{$_} > 1 } keys %texts), '', 'nobody was texted twice');
my %endorsed;
$endorsed{ $_->{reference} }++ foreach entries('endorsement');
is(join(' ', grep { $endorsed{$_} > 1 } keys %endorsed), '', 'nobody was endorsed twice');
done_testing();

# Adds and enrolls a patient.
sub enroll
{
	my ($first, $last, %of) = @_;
	my $sms = $of{sms} // 'true';
	my $patient = $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, sms_enabled, address)
VALUES ('$first', '$last', lower('$first\@example.com' COLLATE "C"), '(610) 555-1212', $sms,
    murallink_private.checked_address('{"street1": "1 Road", "city": "Austin", "state": "TX", "post_code": "78701"}')) RETURNING uid
EOC
	if ($of{details})
	{
		$payouts->call(set_participation_details => $patient, 'bastion', \%health);
		$payouts->call(set_participation_details => $patient, 'inside_rx', { dob => '1980-03-23' });
	}
	return $payouts->take_in("SELECT '$patient'::murallink.ksuid AS uid");
}

sub status
{
	my ($patient, $status, $where) = @_;
	$payouts->sql("UPDATE murallink.enrollment SET status = '$status', left_on = "
		  . ($status eq 'dropped' ? 'current_date' : 'NULL') . " WHERE patient_uid = '$patient'" . ($where ? " AND trial_uid = '$where'" : ''));
	return;
}

# Has statements of a kind fail.
sub poison
{
	my ($of) = @_;
	return $payouts->sql("CREATE TRIGGER poison $of FOR EACH ROW EXECUTE FUNCTION public.poison()");
}

# Has the worker look for what could not be noted, which it does every ten minutes.
sub sweep { return $payouts->sql('UPDATE murallink_private.participation_sweep SET after = DEFAULT, due_at = DEFAULT') }

# Waits until a participation is as it should be.
sub reaches
{
	my ($patient, $partner, $condition, $name) = @_;
	$payouts->wait_for("SELECT $condition FROM murallink.participations('$patient') WHERE partner = '$partner'");
	pass("$partner: $name");
	return;
}

sub is_in { my ($patient, $partner) = @_; return reaches($patient, $partner, "wanted = 'in' AND actual = 'in' AND status = 'done' AND reason = ''", 'in') }

sub is_out { my ($patient, $partner) = @_; return reaches($patient, $partner, "wanted = 'out' AND actual = 'out'", 'out') }

sub in_doubt { my ($patient, $partner) = @_; return reaches($patient, $partner, "status = 'in_doubt'", 'in doubt') }

sub stopped { my ($patient, $partner, $reason) = @_; return reaches($patient, $partner, "reason LIKE '$reason'", $reason) }

# The last note about a task in the audit.
sub audited
{
	my ($task) = @_;
	return $payouts->sql("SELECT changes #>> '{note,to}' FROM murallink.audit_event WHERE resource_uid = '$task' AND changes ? 'note' ORDER BY at DESC LIMIT 1");
}

sub task { my ($patient, $partner) = @_; return $payouts->sql("SELECT task_uid FROM murallink.participations('$patient') WHERE partner = '$partner'") }

# A payment is made and approved.
sub pays
{
	my ($patient, $name) = @_;
	my ($payout) = $payouts->approve(1, $patient);
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
	return pass("paid $name");
}

sub eventually { my ($what, $name) = @_; Murallink::Stack::poll($name, $what); return pass($name) }

sub entries { return $payouts->entries(@_) }

# Waits until nothing is to be stepped or sent, so that the next fault befalls what comes after it.
sub settled
{
	return $payouts->wait_for(<<'EOC');
SELECT NOT EXISTS (SELECT FROM murallink_private.participation_change) AND NOT EXISTS (SELECT FROM murallink_private.call WHERE open)
EOC
}

# Has a call take effect or not, loses its answer, and has its repetition refused; or the next calls, too.
sub lost_and_refused
{
	my ($operation, $when, $refusals) = @_;
	settled();
	$payouts->fault(operation => $operation, when => 'before', action => 'answer', status => 400, skip => 1, count => $refusals // 1);
	$payouts->fault(operation => $operation, when => $when, action => 'close', count => 1);
	return;
}

# Enrolls a patient so at Inside Rx.
sub enroll_refused
{
	my ($first, %of) = @_;
	lost_and_refused('inside_rx.person', $of{lost});
	my $patient = enroll($first, 'Lost', details => 1);
	stopped($patient, 'inside_rx', 'declined: %');
	is_in($patient, 'bastion');
	return $patient;
}

# What is known of a patient's membership.
sub known { my ($patient, $partner) = @_; return $payouts->sql("SELECT actual FROM murallink.participations('$patient') WHERE partner = '$partner'") }

# How often Inside Rx was called about a patient.
sub attempts
{
	my ($patient) = @_;
	return $payouts->sql(<<"EOC");
SELECT coalesce(sum(k.attempt), 0) FROM murallink_private.call k
JOIN murallink_private.participation p ON p.uid = k.subject_uid WHERE p.patient_uid = '$patient' AND p.partner = 'inside_rx'
EOC
}

# What has become of a patient's enrollments at Inside Rx.
sub enrollments
{
	my ($patient) = @_;
	return join ', ', map { "$_->{type} $_->{action} " . ($_->{active} ? 'active' : 'inactive') } entries('enrollment', memberId => $patient);
}

sub count { return scalar(() = entries(@_)) }
