# The worker ends as kill -9 would while it steps participations, and while it calls their partners: nobody is endorsed
# twice. Bastion's event settles an endorsement in doubt, what is safe to repeat is repeated, and in the end all take part.
#
# The library is built with make CRASH_POINTS=1.

use strict;
use warnings;

use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

# The number is that of the call: two partners are called, one of them is signed in to first.
my @points = qw(stepped:1 step_committed:1 claim_committed:1 claim_committed:2 call_sent:1 call_sent:2 call_sent:3
	call_answered:1 call_answered:2 settling:1 settled:1 settle_committed:1);

my $payouts = Murallink::Payouts->new(
	conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n");
my $stack = $payouts->stack;
my $conf = "$stack->{dir}/data/crash.conf";
my $trial = $payouts->sql('SELECT trial_uid FROM public.place');
my %health = (dob => '1980-03-23', gender => 'Female', marital_status => 'Single', state => 15, city => 271, relation => 'Friend');
$stack->start_postgrest;
$payouts->call(configure_partner => 'inside_rx', $stack->{sandbox_url}, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->call(configure_partner => 'bastion', $stack->{sandbox_url}, { plan_id => 85, policy_id => 2058 },
	{ username => 'murallink', password => 'sandbox', webhook_access_key => 'a key long enough' });
$payouts->call(set_trial_partner => $trial, 'inside_rx', {});
$payouts->call(set_trial_partner => $trial, 'bastion', { country => 162 });
$payouts->call('enable_payouts');
$payouts->call(partner_request => 'bastion', 'webhook', { webhook_url => "$stack->{url}/rpc/bastion_event" });
$payouts->wait_idle;
$payouts->sandbox('POST', 'settings', { 'bastion.webhook' => 'held' });

my @doubtful;
foreach my $number (0 .. $#points)
{
	my $point = $points[$number];
	note $point;
	$payouts->call('disable_payouts');
	my $patient = enroll(chr(65 + $number));
	my $worker = $payouts->worker;
	open my $file, '>', $conf or die "crash.conf: $!\n";
	print $file "murallink.crash_point = '$point'\n";
	close $file;
	$payouts->sql('SELECT pg_reload_conf()');
	$payouts->wait_read($worker, $point);
	$payouts->quietly(sub { eval { $payouts->call('enable_payouts') }; $payouts->wait_ended });
	unlink $conf;
	$payouts->start_server;
	$payouts->wait_for(<<"EOC");
SELECT count(*) = 2 AND bool_and(actual = 'in' OR partner = 'bastion' AND status = 'in_doubt')
FROM murallink.participations('$patient')
EOC
	pass('a member, or in doubt');
	my ($task) = map { /(.*)\|in_doubt$/ } $payouts->sql("SELECT task_uid, status FROM murallink.participations('$patient') WHERE partner = 'bastion'");
	push @doubtful, $task if $task;
}
note scalar @doubtful, ' in doubt';
cmp_ok(scalar @doubtful, '>', 2, 'endorsements in doubt');

# Of those that were made there is an event, which is held until now; the others a person has made again.
# An event is sent once, whether or not PostgREST has noticed that the server has started again.
Murallink::Stack::poll('PostgREST to find the server again', sub { ($stack->client->rpc('ping'))[0] == 204 });
my $made = grep { $_->{ledger} eq 'endorsement' } $payouts->ledger;
cmp_ok($made, '>', 0, 'some were made');
$payouts->sandbox('POST', 'settings', { 'bastion.webhook' => 'on' });
Murallink::Stack::poll('the events to be answered', sub { $made == grep { $_->{ledger} eq 'webhook' } $payouts->ledger });
is(scalar(grep { $_->{ledger} eq 'webhook' && $_->{status} != 204 } $payouts->ledger), 0, 'each event arrives');
my @unmade = grep { $payouts->sql("SELECT status FROM murallink.partner_tasks('$_')") eq 'in_doubt' } @doubtful;
cmp_ok(scalar @unmade, '<', scalar @doubtful, 'the events settle those that were made');
foreach my $task (@unmade)
{
	$payouts->call(resolve_task => $task, 'false', 'there is no such member');
	my $patient = $payouts->sql("SELECT patient_uid FROM murallink.participations() WHERE task_uid = '$task'");
	$payouts->wait_for("SELECT reason ~ '^declined' FROM murallink.participations('$patient') WHERE partner = 'bastion'");
	$payouts->call(retry_participation => $patient, 'bastion');
}
$payouts->wait_for(q{SELECT bool_and(actual = 'in' AND status = 'done' AND (partner = 'inside_rx' OR member_id <> '')) FROM murallink.participations()});
my %endorsed;
$endorsed{ $_->{reference} }++ foreach grep { $_->{ledger} eq 'endorsement' } $payouts->ledger;
is(scalar keys %endorsed, scalar @points, 'all are members');
is(join(' ', grep { $endorsed{$_} > 1 } keys %endorsed), '', 'once');
$payouts->sql(q{UPDATE murallink.patient SET first_name = 'Mat'});
$payouts->wait_for(q{SELECT bool_and(operation IN ('change_details', 'enroll_person') AND status = 'done') FROM murallink.participations()});
my %changed = map { $_->{memberId} => 1 } grep { $_->{ledger} eq 'details_change' } $payouts->ledger;
is(scalar keys %changed, scalar @points, 'of whom changes are known');
done_testing();

sub enroll
{
	my ($name) = @_;
	my $patient = $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, address)
VALUES ('Pat', '$name', 'pat\@example.com', '(610) 555-1212',
    murallink_private.checked_address('{"street1": "1 Road", "city": "Austin", "state": "TX", "post_code": "78701"}')) RETURNING uid
EOC
	$payouts->call(set_participation_details => $patient, 'bastion', \%health);
	$payouts->call(set_participation_details => $patient, 'inside_rx', { dob => '1980-03-23' });
	return $payouts->take_in("SELECT '$patient'::murallink.ksuid AS uid");
}
