# What Bastion tells of members, and what it is asked of them: nothing settles what it may not be about. The sandbox's ledger
# is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $url = $payouts->stack->{sandbox_url};
my $trial = $payouts->sql('SELECT trial_uid FROM public.place');
my $key = 'a key long enough';
my $toms = 0;
my %health = (dob => '1980-03-23', gender => 'Male', marital_status => 'Single', state => 15, city => 271, relation => 'Friend');
configure(900);
$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162 });
$payouts->call('enable_payouts');

note 'an event about one member does not settle the endorsement of another';
my $one = enroll('Ali', 'Khan', 'ali1@example.com', '+234 803 555 1111');
reaches($one, "actual = 'in'", 'one patient is a member');
my ($first) = entries('endorsement');
$payouts->fault(operation => 'bastion.addEndorsement', when => 'before', action => 'close', count => 1);
my $two = enroll('Ali', 'Khan', 'ali2@example.com', '+234 803 555 2222');
reaches($two, "status = 'in_doubt'", 'another of that name and birthday is in doubt');
my $enrollment = $payouts->sql("SELECT uid FROM murallink.enrollment WHERE patient_uid = '$two'");
like(join('', $payouts->stack->log_of('postgresql')), qr/ bastion: endorse of $enrollment is in doubt: /, 'which the log calls no payout');
my $asked = $payouts->sql("SELECT task_uid FROM murallink.participations('$two')");
my %about_one = (planId => 85, memberId => $first->{memberId}, policyId => 2058, firstName => 'Ali', lastName => 'Khan', dob => '23-03-1980',
	phone => '+2348035551111', _email => 'ali1@example.com', address => '1 Road, Lagos');
my %about_two = (%about_one, memberId => '777', phone => '+2348035552222', _email => 'ALI2@example.com');
undecided(\%about_one, 'the event of the first');
undecided({ %about_two, memberId => $first->{memberId} }, 'one with a member id that is known');
undecided({ %about_two, memberId => "$first->{memberId}" + 0 }, 'also as a number');
undecided({ %about_two, %$_ }, join ' ', 'another', keys %$_)
  foreach { planId => 86 }, { policyId => 9999 }, { phone => '+2348035551111' }, { _email => 'ali1@example.com' }, { email => 'ali1@example.com' },
  { firstName => 'Alia' }, { lastName => 'Khana' }, { dob => '24-03-1980' }, { dob => '1980-03-24' }, { gender => 'Female' },
  { address => '2 Road, Lagos' }, { reference => 'another' };
undecided({ planId => 85, memberId => '777', policyId => 2058, firstName => 'Ali', lastName => 'Khan' }, 'one that has no more than the name');
undecided({ %about_two, memberId => '' }, 'one without a member');
like($payouts->sql("SELECT why || ' ' || remedy FROM murallink.needs_person WHERE uid = '$asked'"),
	qr/an event may be about it: see bastion_events\(\).*retry_participation\(\) with the member_id resolve_task/, 'a person is told what helps');
event({ %about_two, dob => '1980-03-23', address => " 1 road,\tLagos" });
is($payouts->sql("SELECT status, facts ->> 'member_id' FROM murallink.partner_tasks('$asked')"), 'done|777', 'the event that is about it settles it');
reaches($two, "actual = 'in' AND member_id = '777'", 'which is a member by it');

note 'of two who may be meant neither is';
my @twins = map {
	$payouts->fault(operation => 'bastion.addEndorsement', when => 'before', action => 'close', count => 1);
	my $twin = enroll('Sam', 'Obi', 'obi@example.com', '+234 803 555 3333');
	reaches($twin, "status = 'in_doubt'", 'in doubt');
	$twin
} 1, 2;
my %about_twin = (%about_one, memberId => '888', firstName => 'Sam', lastName => 'Obi', phone => '2348035553333', _email => 'OBI@example.com');
event(\%about_twin);
is($payouts->sql("SELECT status FROM murallink.participations('$_')"), 'in_doubt', 'in doubt still') foreach @twins;
$payouts->call(resolve_task => $payouts->sql("SELECT task_uid FROM murallink.participations('$twins[0]')"), 'true', 'they say so');
reaches($twins[0], "reason = 'no_member_id'", 'a person says of one that it is a member');
event({ %about_twin, memberId => '889' });
is($payouts->sql("SELECT status FROM murallink.participations('$twins[1]')"), 'in_doubt', 'and the event may be about that one');

note 'an event of one restoration does not settle the next';
configure(1);
status($one, 'dropped');
reaches($one, "actual = 'out'", 'removed');
status($one, 'enrolled');
reaches($one, "actual = 'in'", 'restored');
status($one, 'dropped');
reaches($one, "actual = 'out'", 'removed again');
$payouts->fault(operation => 'bastion.undoDelete', when => 'before', action => 'close', count => 1);
$payouts->fault(operation => 'bastion.enrolleeStatus', when => 'before', action => 'answer', status => 429);
status($one, 'enrolled');
reaches($one, "operation = 'undo_remove' AND status = 'in_doubt'", 'the second restoration is in doubt');
event(\%about_one, 're-endorsed-member') foreach 1 .. 2;
is($payouts->sql("SELECT status FROM murallink.participations('$one')"), 'in_doubt', 'and stays so whatever is told of the first');
$payouts->no_fault;
reaches($one, "actual = 'in' AND status = 'done'", 'done in the end');
is(count('restoration', memberId => $first->{memberId}), 2, 'in truth');

note 'Bastion is asked before a person is';
foreach my $case ([ 'before', 'close', 'lost' ], [ 'after', 'reset', 'its answer lost' ], [ 'before', 'answer', 'refused', 400 ])
{
	my ($when, $action, $name, $status) = @$case;
	foreach my $step ([ 'dropped', 'removeEndorsement', 'removal', 'out' ], [ 'enrolled', 'undoDelete', 'restoration', 'in' ])
	{
		my ($to, $operation, $kind, $actual) = @$step;
		my $before = count($kind);
		$payouts->fault(operation => "bastion.$operation", when => $when, action => $action, count => 1, $status ? (status => $status) : ());
		status($one, $to);
		if ($status)
		{
			reaches($one, "reason LIKE 'declined: HTTP 400%'", "a $kind is $name, and Bastion says so");
			$payouts->call(retry_participation => $one, 'bastion');
		}
		reaches($one, "actual = '$actual' AND status = 'done' AND reason = ''", "a $kind is $name: done by itself");
		is(count($kind) - $before, 1, 'once');
	}
	my $plan = $payouts->sql(q{SELECT 171 - (member #>> '{params,plan_id}')::integer FROM murallink_private.participation WHERE patient_uid = '} . $one . q{'});
	my $changes = count('plan_change');
	# The plans of several members change at the same time, in any order: each of these calls is refused.
	$payouts->fault(operation => 'bastion.updateMemberPlan', when => $when, action => $action,
		$status ? (status => $status) : (count => 1));
	$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162, plan_id => $plan });
	if ($status)
	{
		reaches($one, "reason LIKE 'declined: HTTP 400%'", "a change of plan is $name, and Bastion says so");
		$payouts->no_fault;
		$payouts->call(retry_participation => $one, 'bastion');
	}
	$payouts->wait_for("SELECT member #>> '{params,plan_id}' = '$plan' FROM murallink_private.participation WHERE patient_uid = '$one'");
	is(count('plan_change', memberId => $first->{memberId}, newPlanId => $plan) > 0, 1, "a change of plan is $name: done by itself");
	is((entries('plan_change', memberId => $first->{memberId}))[-1]{newPlanId}, $plan, 'in truth');
}
is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE patient_uid = '$one'"), 0, 'nobody was needed');

note 'what others did at Bastion is found out';
$payouts->call(partner_request => 'bastion', 'remove', { member_id => $first->{memberId} });
Murallink::Stack::poll('removed by others', sub { (grep { $_->{ledger} =~ /^(removal|restoration)$/ } bastion_entries($first->{memberId}))[-1]{ledger} eq 'removal' });
status($one, 'dropped');
reaches($one, "wanted = 'out' AND actual = 'out' AND reason = ''", 'a removal that is refused, since it is so');
status($one, 'enrolled');
reaches($one, "actual = 'in' AND status = 'done' AND operation = 'undo_remove'", 'then the restoration');
is((grep { $_->{ledger} =~ /^(removal|restoration)$/ } bastion_entries($first->{memberId}))[-1]{ledger}, 'restoration', 'covered in truth');

note 'what Bastion does not tell needs a person';
$payouts->fault(operation => 'bastion.removeEndorsement', when => 'after', action => 'close', count => 1);
$payouts->fault(operation => 'bastion.enrolleeStatus', when => 'before', action => 'answer', status => 200, body =>
	qq({"status": true, "data": {"success": 1, "member": {"memberId": "$first->{memberId}", "status": "Pending"}}}));
status($one, 'dropped');
$payouts->wait_for("SELECT count(*) = 1 FROM murallink.needs_person WHERE patient_uid = '$one' AND remedy = 'resolve_task'");
pass('where its word is another');

note 'an answer about another member, or with the number of one';
configure(1);
foreach my $case (
	[ { memberId => $first->{memberId} }, 'has the number of another member' ], [ { memberId => "0$first->{memberId} " }, 'has the number of another member' ],
	[ { memberId => 990, firstName => 'Zoe', lastName => 'Other' }, 'is about another person or plan' ], [ { memberId => 990, planId => '10052' }, 'is about another person or plan' ],
	[ { memberId => 990, policyId => 9999 }, 'is about another person or plan' ])
{
	my ($shown, $why) = @$case;
	$payouts->fault(operation => 'bastion.addEndorsement', when => 'before', action => 'answer', status => 200, count => 1,
		body => JSON::PP::encode_json({ status => JSON::PP::true, data => { success => 1, membersDetails => $shown } }));
	my $patient = enroll('Tom', 'Ade', 'tom' . ++$toms . '@example.com', '+234 803 555 4444');
	reaches($patient, "status = 'in_doubt' AND reason LIKE 'the answer $why%' AND member_id IS NULL", "$why: in doubt");
	like($payouts->sql(qq{SELECT why || ' ' || remedy FROM murallink.needs_person WHERE patient_uid = '$patient'}), qr/$why.*retry_participation.* resolve_task$/,
		'and a person is told what to do');
	$payouts->call(resolve_task => $payouts->sql("SELECT task_uid FROM murallink.participations('$patient')"), 'true', 'they say so');
	reaches($patient, "reason = 'no_member_id'", 'who says that it is done');
	is($payouts->refusal(retry_participation => $patient, 'bastion', $_), 'already_exists', "but not '$_', who is another")
	  foreach $first->{memberId}, "0$first->{memberId}", "$first->{memberId}.0";
	$payouts->call(retry_participation => $patient, 'bastion', "T$toms");
	reaches($patient, "actual = 'in' AND member_id = 'T$toms' AND reason = ''", 'and which number it has');
}
foreach my $spelling (" $first->{memberId}", "0$first->{memberId}", "$first->{memberId}.0")
{
	$payouts->fault(operation => 'bastion.addEndorsement', when => 'before', action => 'close', count => 1);
	my $patient = enroll('Ali', 'Khan', 'ali1@example.com', '+234 803 555 1111');
	reaches($patient, "status = 'in_doubt'", 'in doubt');
	event({ %about_one, memberId => $spelling });
	is($payouts->sql("SELECT status FROM murallink.participations('$patient')"), 'in_doubt', "'$spelling' is the number of another, too");
	$payouts->call(resolve_task => $payouts->sql("SELECT task_uid FROM murallink.participations('$patient')"), 'false', 'they say so');
	status($patient, 'dropped');
}

note 'an empty list of plans';
$payouts->call(partner_request => 'bastion', 'plans', {});
$payouts->wait_for('SELECT count(*) > 0 FROM murallink.bastion_plan');
my $plans = $payouts->sql('SELECT count(*) FROM murallink.bastion_plan');
$payouts->fault(operation => 'bastion.plans', when => 'before', action => 'answer', status => 200, count => 1, body => '{"status": true, "data": []}');
my $list = $payouts->call(partner_request => 'bastion', 'plans', {});
$payouts->wait_for("SELECT status = 'done' FROM murallink.partner_tasks('$list')");
is($payouts->sql('SELECT count(*) FROM murallink.bastion_plan'), $plans, 'says nothing');

note 'a plan that is changed to another than was asked for';
my $changing = enroll('Uma', 'Eze', 'uma@example.com', '+234 803 555 5555');
reaches($changing, "actual = 'in' AND reason = ''", 'a member');
my ($held) = $payouts->sql("SELECT member #>> '{params,plan_id}', member_id FROM murallink_private.participation JOIN murallink.participations('$changing') USING (uid)");
my ($plan, $member) = split /\|/, $held;
my $changes = count('plan_change', memberId => $member);
$payouts->fault(operation => 'bastion.updateMemberPlan', when => 'before', action => 'answer', status => 200, count => 1,
	body => qq({"status": true, "data": {"success": 1, "membersDetails": {"memberId": "$member", "planId": "$plan"}}}));
$payouts->call(set_participation_details => $changing, 'bastion', { %health, plan_id => 171 - $plan });
$payouts->wait_for("SELECT member #>> '{params,plan_id}' = '" . (171 - $plan) . "' FROM murallink_private.participation WHERE patient_uid = '$changing'");
is(count('plan_change', memberId => $member) - $changes, 1, 'is asked for again, until Bastion shows it');

done_testing();

sub configure
{
	my ($settling) = @_;
	return $payouts->call(configure_partner => 'bastion', $url, { plan_id => 85, policy_id => 2058, settling => $settling },
		{ username => 'murallink', password => 'sandbox', webhook_access_key => $key });
}

# Adds and enrolls a patient.
sub enroll
{
	my ($first, $last, $email, $phone) = @_;
	my $patient = $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, address)
VALUES ('$first', '$last', '$email', '$phone', murallink_private.checked_address('{"street1": "1 Road", "city": "Lagos"}')) RETURNING uid
EOC
	$payouts->call(set_participation_details => $patient, 'bastion', \%health);
	return $payouts->take_in("SELECT '$patient'::murallink.ksuid AS uid");
}

sub event { my ($data, $name) = @_; return $payouts->call(bastion_event => { accessKey => $key, event => $name // 'added-policy-member', data => $data }) }

# An event leaves the second patient's endorsement in doubt.
sub undecided
{
	my ($data, $name) = @_;
	event($data);
	return is($payouts->sql("SELECT status FROM murallink.partner_tasks('$asked')"), 'in_doubt', "$name settles nothing");
}

# Waits until a participation is as it should be.
sub reaches
{
	my ($patient, $condition, $name) = @_;
	$payouts->wait_for("SELECT $condition FROM murallink.participations('$patient')");
	return pass($name);
}

sub status
{
	my ($patient, $status) = @_;
	$payouts->sql("UPDATE murallink.enrollment SET status = '$status', left_on = "
		  . ($status eq 'dropped' ? 'current_date' : 'NULL') . " WHERE patient_uid = '$patient'");
	return;
}

# What the ledger has of a member.
sub bastion_entries { my ($member) = @_; return grep { $_->{partner} eq 'bastion' && ($_->{memberId} // '') eq $member } @{ $payouts->stack->client->ledger } }

sub count { return scalar(() = entries(@_)) }

sub entries { return $payouts->entries(@_) }
