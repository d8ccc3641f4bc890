# Patients enroll, leave, come back and change their details at random, in two trials with other settings, while partners
# lose calls and answers; then also while changes cannot be noted and the worker is killed. A person decides by the ledger
# what is in doubt. In the end each patient's state in the ledger is what it is to be, and nobody was texted or endorsed twice.
#
# MURALLINK_SEED repeats the steps and the faults of an earlier run, MURALLINK_ROUNDS is how many rounds there are.

use strict;
use warnings;

use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

use constant { PATIENTS => 30, STEPS => 150 };

my $seed = $ENV{MURALLINK_SEED} || int(rand(2**31));
my $rounds = $ENV{MURALLINK_ROUNDS} || 2;
diag("MURALLINK_SEED=$seed");
srand($seed);

my $payouts = Murallink::Payouts->new(conf => "fsync = off\n");
my $url = $payouts->stack->{sandbox_url};
my %health = (dob => '1980-03-23', gender => 'Female', marital_status => 'Single', state => 15, city => 271, relation => 'Friend');
my @partners = qw(relay inside_rx bastion);
my %ledger_of = (onboard => 'onboard', endorse => 'endorsement', remove => 'removal', undo_remove => 'restoration',
	change_plan => 'plan_change');

$payouts->call(configure_partner => 'relay', $url, { client_id => 'murallink', product_group_id => 'default' }, { api_key => 'relay-key' });
$payouts->call(configure_partner => 'inside_rx', $url, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->call(configure_partner => 'bastion', $url, { plan_id => 85, policy_id => 2058, settling => 1 }, { username => 'murallink', password => 'sandbox' });
my %trial = (One => $payouts->sql('SELECT trial_uid FROM public.place'));
$payouts->sql(<<'EOC');
WITH trial AS (
    INSERT INTO murallink.trial (client_uid, contract_uid, name) SELECT client_uid, contract_uid, 'Two' FROM public.place RETURNING *
)
INSERT INTO murallink.trial_site (client_uid, contract_uid, trial_uid, site_uid)
SELECT t.client_uid, t.contract_uid, t.uid, p.site_uid FROM trial t, public.place p;
CREATE FUNCTION public.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'poisoned'; END $$
EOC
$trial{Two} = $payouts->sql(q{SELECT uid FROM murallink.trial WHERE name = 'Two'});
$payouts->call(set_trial_partner => $trial{One}, $_, $_ eq 'bastion' ? { country => 162 } : {}) foreach @partners;
$payouts->call(set_trial_partner => $trial{Two}, 'bastion', { country => 162, plan_id => 86 });
$payouts->call(set_trial_partner => $trial{Two}, 'inside_rx', { sub_id => '02' });
my @patients = split /\n/, $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, sms_enabled, address)
SELECT 'Pat', 'Name', 'pat' || n || '\@example.com', '(610) 555-' || 1000 + n, n % 3 > 0,
    murallink_private.checked_address('{"street1": "1 Road", "city": "Austin", "state": "TX", "post_code": "78701"}')
FROM generate_series(1, ${\PATIENTS}) n RETURNING uid
EOC
$payouts->sql(<<'EOC');
INSERT INTO murallink.patient_site (patient_uid, client_uid, contract_uid, site_uid)
SELECT p.uid, l.client_uid, l.contract_uid, l.site_uid FROM murallink.patient p, public.place l
EOC
foreach my $patient (@patients)
{
	$payouts->call(set_participation_details => $patient, 'bastion', \%health);
	$payouts->call(set_participation_details => $patient, 'inside_rx', { dob => '1980-03-23' });
}
$payouts->call('enable_payouts');

my $missing = 0;
my @chances = (
	(\&move) x 8, (\&record) x 4, (\&consent) x 2, \&details, \&settings, \&hurry, sub { decide() });
foreach my $round (1 .. $rounds)
{
	push @chances, \&missed, \&killed if $round == 2;
	faults();
	$chances[ rand @chances ]->($patients[ rand @patients ]) foreach 1 .. STEPS;
	missed() if $missing;
	$payouts->sql('UPDATE murallink_private.participation_sweep SET after = DEFAULT, due_at = DEFAULT') if $round > 1;
	judge("round $round");
}
note('in doubt: ', $payouts->doubts // 'none');
done_testing();

# Calls take a while, and some of them, or their answers, are lost or refused.
sub faults
{
	my @faults = map { { operation => "$_.*", when => 'before', action => 'delay', delay_ms => 30 } } @partners;
	foreach my $call (qw(relay.onboard inside_rx.person bastion.*))
	{
		push @faults, map { { operation => $call, when => $_, action => 'close', probability => 0.07 } } qw(before after);
		push @faults, { operation => $call, when => 'before', action => 'answer', status => $_, probability => 0.04 } foreach 400, 429, 500;
	}
	my ($status, $answer) = $payouts->sandbox('POST', "faults?seed=$seed", \@faults);
	die "faults: HTTP $status: $answer->{message}\n" unless $status == 200;
	return;
}

# A patient enrolls, leaves or comes back.
sub move
{
	my ($patient) = @_;
	my $where = (sort keys %trial)[ rand 2 ];
	my ($status) = (qw(enrolled dropped completed))[ rand 3 ];
	return $payouts->sql(<<"EOC");
INSERT INTO murallink.enrollment AS e (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, subject_id)
SELECT client_uid, contract_uid, trial_uid, site_uid, uid, '$patient', '$patient' FROM murallink.trial_site WHERE trial_uid = '$trial{$where}'
ON CONFLICT (patient_uid, trial_uid) WHERE status NOT IN ('transferred', 'screen_failed', 'merged')
DO UPDATE SET status = CASE e.status WHEN 'enrolled' THEN '$status' ELSE 'enrolled' END::murallink.enrollment_status,
    left_on = CASE WHEN e.status = 'enrolled' AND '$status' = 'dropped' THEN current_date END
EOC
}

sub record
{
	my ($patient) = @_;
	my ($column, $value) = @{ ([ last_name => 'Name' ], [ first_name => 'Pat' ], [ phone => '+1 610 555 ' ])[ rand 3 ] };
	return $payouts->sql("UPDATE murallink.patient SET $column = '$value" . ($column eq 'phone' ? 1000 + int rand 9000 : chr(97 + rand 26)) . "' WHERE uid = '$patient'");
}

sub consent
{
	my ($patient) = @_;
	return $payouts->call(set_consent => $patient, 'sms', rand > 0.5 ? 'true' : 'false', 'a call');
}

sub details
{
	my ($patient) = @_;
	return $payouts->refusal(set_participation_details => $patient, 'bastion', { %health, dob => sprintf '19%02d-03-23', 50 + rand 50 });
}

# A trial gets another plan, or ends at a partner, or begins there; or that is refused.
sub settings
{
	my @change = (
		[ set_trial_partner => $trial{One}, 'bastion', { country => 162, plan_id => 85 + int rand 2 } ],
		[ set_trial_partner => $trial{Two}, 'bastion', { country => 162, plan_id => 86 } ],
		[ remove_trial_partner => $trial{Two}, 'bastion' ]);
	return $payouts->refusal(@{ $change[ rand @change ] });
}

# All at once.
sub hurry
{
	my ($patient) = @_;
	foreach (1 .. 3)
	{
		move($patient);
		record($patient);
		details($patient);
	}
	return;
}

# From now on, or no longer, changes cannot be noted.
sub missed
{
	$missing = !$missing;
	return $payouts->sql($missing
		? 'CREATE TRIGGER poison BEFORE INSERT ON murallink_private.participation_change FOR EACH ROW EXECUTE FUNCTION public.poison()'
		: 'DROP TRIGGER poison ON murallink_private.participation_change');
}

sub killed
{
	my $worker = $payouts->worker;
	kill 'KILL', $worker;
	return $payouts->wait_for("SELECT pid <> $worker FROM murallink_private.worker_slot(NULL)");
}

# What a person does, who then asks the partner: the ledger is read when it is known what is in doubt.
sub decide
{
	my @rows = split /\n/, $payouts->sql(<<'EOC');
SELECT a.patient_uid, a.partner, a.status, a.reason, t.uid, t.attempt, t.operation, t.params ->> 'reference', coalesce(t.params ->> 'member_id', a.patient_uid::text),
    (SELECT count(*) FROM murallink_private.call d WHERE d.subject_uid = t.subject_uid AND d.operation = t.operation AND d.status = 'done')
FROM murallink.participations() a JOIN murallink_private.call t ON t.uid = a.task_uid
WHERE a.status = 'in_doubt' OR a.reason ~ '^(declined|no_member_id)'
EOC
	my (%sent, %member);
	foreach my $entry ($payouts->ledger)
	{
		$member{ $entry->{reference} } = $entry->{memberId} if $entry->{ledger} eq 'endorsement';
		$sent{ $entry->{ledger} }{ $entry->{memberId} // $entry->{ccid} // '' }++;
	}
	foreach my $row (@rows)
	{
		my ($patient, $partner, $status, $reason, $task, $attempt, $operation, $reference, $subject, $done) = split /\|/, $row;
		my $member = $member{$reference};
		my $kind = $ledger_of{$operation};
		my @decision = $status eq 'in_doubt'
		  ? (resolve_task => $task, ($kind eq 'endorsement' ? defined $member : ($sent{$kind}{$subject} // 0) > $done) ? 'true' : 'false', 'the ledger', $attempt)
		  : (retry_participation => $patient, $partner, $reason eq 'no_member_id' ? $member : ());
		my $refusal = $payouts->refusal(@decision);
		die "@decision: $refusal\n" unless $refusal =~ /^(wrong_status|poisoned)?$/;
	}
	return;
}

# Ends the faults, has all done that is to be done, and looks at the ledger.
sub judge
{
	my ($name) = @_;
	$payouts->no_fault;
	Murallink::Stack::poll('all to be done', sub {
		$payouts->sql("UPDATE murallink_private.call SET due_at = now() WHERE due_at > now() AND status = 'ready'");
		decide();
		return $payouts->sql(<<'EOC') eq 't';
SELECT NOT EXISTS (SELECT FROM murallink_private.participation_change) AND NOT EXISTS (SELECT FROM murallink_private.call WHERE open)
    AND NOT EXISTS (SELECT FROM murallink_private.participation_sweep WHERE due_at <= now())
    AND NOT EXISTS (SELECT FROM murallink.participations() WHERE status NOT IN ('done', 'declined') OR reason NOT IN ('', 'no_consent'))
EOC
	});
	my @wrong = wrong();
	is(scalar @wrong, 0, $name) or diag(map { "$_\n" } @wrong, map { life($_) } @wrong);
	return;
}

# All that both sides have of the patient whom a fault is about.
sub life
{
	my ($fault) = @_;
	my ($patient) = $fault =~ /^(\w{27}) at/ or return;
	my $tasks = $payouts->sql(<<"EOC");
SELECT t.partner, t.operation, t.params, t.status, t.reason, t.note, t.settled_at, a.claimed_at, a.outcome, a.http_status, a.reason
FROM murallink_private.participation p JOIN murallink_private.call t ON t.subject_uid = p.uid
LEFT JOIN LATERAL (
    SELECT e.claimed_at, e.outcome, e.http_status, e.reason FROM murallink_private.call_attempt e WHERE e.call_uid = t.uid
    UNION SELECT t.claimed_at, t.outcome, t.http_status, t.reason) a ON true
WHERE p.patient_uid = '$patient' AND p.partner IN ('inside_rx', 'bastion') ORDER BY a.claimed_at
EOC
	my $is = $payouts->sql("SELECT * FROM murallink_private.participation WHERE patient_uid = '$patient'");
	my $ledger = join "\n", map { "$_->{time} $_->{ledger} $_->{action} " . ($_->{active} ? 'active' : 'inactive') . ' ' . ($_->{subId} // '') }
	  $payouts->entries('enrollment', memberId => $patient);
	my %member = map { $_ => 1 } $is =~ /"member_id": "(\d+)"/g;
	my $bastion = join "\n", map { "$_->{time} $_->{ledger} " . ($_->{newPlanId} // '') }
	  grep { $_->{partner} eq 'bastion' && $member{ $_->{memberId} // '' } } $payouts->ledger;
	return "$tasks\n$is\n$ledger\n$bastion\n";
}

# Where the ledger is not as it should be.
sub wrong
{
	my (%texts, %card, %of, %endorsed, %member, @wrong);
	foreach my $entry ($payouts->ledger)
	{
		my $kind = $entry->{ledger};
		$texts{ $entry->{ccid} }++ if $kind eq 'text';
		$card{ $entry->{memberId} }{ $entry->{subId} // '' } = $entry if $kind eq 'enrollment';
		$endorsed{ $entry->{reference} }++ if $kind eq 'endorsement';
		$of{ $entry->{reference} } = $entry->{memberId} if $kind eq 'endorsement';
		next unless $entry->{partner} eq 'bastion' && $entry->{memberId};
		my $member = $member{ $entry->{memberId} } //= { active => 1 };
		$member->{active} = $kind eq 'restoration' if $kind =~ /^(removal|restoration)$/;
		$member->{plan} = $entry->{newPlanId} // $entry->{planId} // $member->{plan};
		$member->{$_} = $entry->{customer}{$_} foreach keys %{ $entry->{customer} // {} };
	}
	push @wrong, map { "$_ was texted twice" } grep { $texts{$_} > 1 } keys %texts;
	push @wrong, map { "$_ was endorsed twice" } grep { $endorsed{$_} > 1 } keys %endorsed;
	foreach my $row (split /\n/, $payouts->sql(<<'EOC'))
SELECT p.uid, p.first_name, p.last_name, regexp_replace(p.phone, '[^0-9+]', '', 'g'), p.sms_enabled, w.partner,
    bool_or(e.status = 'enrolled' AND t.uid IS NOT NULL),
    coalesce(max(t.settings ->> 'plan_id') FILTER (WHERE e.uid = a.enrollment_uid), '85'),
    coalesce(max(t.settings ->> 'sub_id') FILTER (WHERE e.uid = a.enrollment_uid), ''),
    coalesce(string_agg(e.uid::text, ' '), ''), (SELECT d.details ->> 'dob' FROM murallink_private.participation_detail d WHERE d.patient_uid = p.uid AND d.partner = w.partner)
FROM murallink.patient p CROSS JOIN unnest('{relay,inside_rx,bastion}'::text[]) AS w(partner)
LEFT JOIN murallink.enrollment e ON e.patient_uid = p.uid
LEFT JOIN murallink_private.trial_partner t ON t.trial_uid = e.trial_uid AND t.partner = w.partner
LEFT JOIN murallink_private.participation a ON a.patient_uid = p.uid AND a.partner = w.partner
GROUP BY p.uid, w.partner
EOC
	{
		my ($patient, $first, $last, $phone, $sms, $partner, $wanted, $plan, $sub_id, $enrollments, $dob) = split /\|/, $row, -1;
		my $in = $wanted eq 't';
		if ($partner eq 'relay')
		{
			push @wrong, "$patient was not texted" if $in && $sms eq 't' && !$texts{$patient};
		}
		elsif ($partner eq 'inside_rx')
		{
			my @active = grep { $_->{active} } values %{ $card{$patient} // {} };
			my $is = join ', ', map { join ' ', $_->{subId} // '', @$_{qw(firstName lastName)} } @active;
			my $should = $in ? "$sub_id $first $last" : '';
			push @wrong, "$patient at Inside Rx: $is, not $should" if $is ne $should;
		}
		else
		{
			my @members = grep { defined } map { $of{$_} } split ' ', $enrollments;
			push @wrong, "$patient is several members" if @members > 1;
			my $is = join ', ', map { join ' ', @$_{qw(plan firstName lastName phone dob)} } grep { $_->{active} } map { $member{$_} } @members;
			push @wrong, "$patient at Bastion: $is, not $plan $first $last $phone $dob" if $is ne ($in ? "$plan $first $last $phone $dob" : '');
		}
	}
	return @wrong;
}
