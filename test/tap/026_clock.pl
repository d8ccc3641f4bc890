# The server's clock is set forward by an hour, and back by five minutes, while something is put off: what waits for time
# to pass waits for as long as it would have, and nothing is sent twice.

use strict;
use warnings;

use JSON::PP;
use Murallink::Clock;
use Murallink::Payouts;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

# How long something may take that is due within two seconds, on a busy machine.
use constant { BACK => -300, HOUR => 3600, SOON => 120 };

my $clock = Murallink::Clock->new;
my $payouts = Murallink::Payouts->new(clock => $clock, settings => { settling => 10 });
my $initial = $payouts->stack->client->sandbox('settings');

$payouts->patients(1);
$payouts->order_cards;
my $before = $payouts->sql('SELECT extract(epoch FROM clock_timestamp())');
$clock->step(HOUR);
cmp_ok($payouts->sql('SELECT extract(epoch FROM clock_timestamp())') - $before, '>', HOUR - 1, 'the server has this clock');
$clock->step(-HOUR);

note 'forward while a payout is in doubt that the issuer carries out later';
$payouts->stack->configure_dash({ timeout => 3 });
my $late = $payouts->doubtful(when => 'before', action => 'delay', delay_ms => 6000, count => 1);
$clock->step(HOUR);
$payouts->wait_idle;
$payouts->stack->configure_dash;
is($payouts->state_of($late), 'done paid', 'it is looked for until the load is there');
is($payouts->sql("SELECT attempt FROM murallink.payout WHERE uid = '$late'"), 1, 'and not sent again');
is($payouts->loads($late), 1, 'loaded once');

note 'forward, and a restart: the time counts from the restart on';
my $lost = $payouts->doubtful(when => 'before', action => 'close', count => 1);
$payouts->stop_server('fast');
$clock->step(HOUR);
my $started = clock_gettime(CLOCK_MONOTONIC);
$payouts->start_server;
$payouts->wait_for("SELECT attempt = 2 FROM murallink.payout WHERE uid = '$lost'");
cmp_ok(clock_gettime(CLOCK_MONOTONIC) - $started, '>', 10, 'it is sent again after the settling time');
$payouts->wait_idle;
is($payouts->state_of($lost) . ' ' . $payouts->loads($lost), 'done paid 1', 'once');

note 'back while a payout is in doubt';
my $seen = $payouts->doubtful(when => 'after', action => 'close', count => 1);
$clock->step(BACK);
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$seen'", 'it is looked up as before');
is($payouts->loads($seen), 1, 'and not sent again');

note 'back while one in doubt waits to be looked up, and the server is down';
$seen = $payouts->doubtful(when => 'after', action => 'close', count => 1);
$payouts->stop_server('fast');
$clock->step(BACK);
$payouts->start_server;
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$seen'", 'it is looked up as before');

note 'back while the partner is left alone, which it asked for';
$payouts->fault(when => 'before', action => 'answer', status => 429, retry_after => 20, count => 1);
my ($refused) = $payouts->approve(1);
$payouts->wait_for('SELECT resume_at IS NOT NULL FROM murallink.worker_status()');
$clock->step(BACK);
is($payouts->sql("SELECT resume_at < clock_timestamp() + interval '21 s' IS NOT FALSE FROM murallink.worker_status()"), 't',
	'worker_status() goes by the clock that there is');
my ($new) = $payouts->approve(1);
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$new'", 'what is new is sent then');
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$refused'", 'what was refused too');

note 'forward while the partner is left alone';
$payouts->fault(when => 'before', action => 'answer', status => 429, retry_after => 300, count => 1);
($refused) = $payouts->approve(1);
$payouts->wait_for('SELECT resume_at IS NOT NULL FROM murallink.worker_status()');
my $asked = clock_gettime(CLOCK_MONOTONIC);
$clock->step(HOUR);
$payouts->wait_looks;
is($payouts->sql('SELECT breaker FROM murallink.worker_status()'), 'open', 'it is left alone all the same');
is($payouts->loads($refused), 0, 'and nothing is sent');
cmp_ok(clock_gettime(CLOCK_MONOTONIC) - $asked, '<', 299, 'before the time is over');
$payouts->stack->configure_dash;
$payouts->wait_idle;

note 'back with a rate';
$payouts->stack->configure_dash({ rate => 50 });
$payouts->approve(1);
$payouts->wait_settled;
$clock->step(BACK);
my @rated = $payouts->approve(3);
soon("SELECT count(*) = 0 FROM murallink.payout WHERE status <> 'done'", 'payouts go on');
is_deeply([ map { $payouts->loads($_) } @rated ], [ 1, 1, 1 ], 'each once');
$payouts->stack->configure_dash;

note 'back while a payout that was not sent waits for its next attempt';
$payouts->approve(1);
$payouts->wait_settled;
$payouts->stop_sandbox;
my ($unsent) = $payouts->approve(1);
$payouts->wait_for("SELECT status = 'ready' AND attempt > 1 FROM murallink.payout WHERE uid = '$unsent'");
$clock->step(BACK);
$payouts->run_sandbox;
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$unsent'", 'it is sent');

note 'back while an outcome waits to be applied, and while a change is to be noticed';
$payouts->call(configure_partner => 'inside_rx', $payouts->stack->{sandbox_url}, { group => 'SAVE11' },
	{ api_key => 'inside-rx-key' });
$payouts->call(set_trial_partner => $payouts->sql('SELECT trial_uid FROM public.place'), 'inside_rx',
	{ operation => 'enroll_card' });
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.participation WHERE member IS NOT NULL AND meant IS NULL});
$payouts->hold(count => 1);
my ($locked) = $payouts->approve(1);
$payouts->wait_for("SELECT status = 'claimed' FROM murallink.payout WHERE uid = '$locked'");
my $session = $payouts->session("BEGIN; SELECT FROM murallink.payment"
	  . " WHERE uid = (SELECT payment_uid FROM murallink.payout WHERE uid = '$locked') FOR UPDATE");
$payouts->no_fault;
$payouts->wait_for("SELECT count(*) = 1 FROM murallink.payout_attempts('$locked') WHERE outcome = 'done'");
$clock->step(BACK);
close $session;
soon("SELECT status = 'done' FROM murallink.payout WHERE uid = '$locked'", 'the outcome is applied');
$payouts->sql('UPDATE murallink_private.participation_change SET due_at = clock_timestamp()');
$payouts->patients(1);
soon('SELECT count(*) = 2 FROM murallink_private.participation WHERE member IS NOT NULL AND meant IS NULL',
	'and the new patient takes part');

note 'back while a reminder is to come, and a change is put off';
$payouts->sql(<<'EOC');
BEGIN;
INSERT INTO murallink_private.participation_change (patient_uid, due_at)
SELECT uid, clock_timestamp() + interval '1 s' FROM murallink.patient;
COMMIT;
EOC
$clock->step(BACK);
soon('SELECT count(*) = 0 FROM murallink_private.participation_change', 'the change is noticed');

note 'and at the end';
$payouts->wait_idle;
cmp_ok(abs $payouts->sql('SELECT extract(epoch FROM clock_timestamp() - heartbeat_at) FROM murallink_private.worker_slot(NULL)'),
	'<', 20, 'the heartbeat is young');
is_deeply([ $payouts->wrong ], [], 'the books agree');
is($payouts->stack->client->sandbox('summary')->{duplicates}, 0, 'nothing was loaded twice');
done_testing();

# Checks that a query answers true before long.
sub soon
{
	my ($query, $name) = @_;
	my $deadline = time + SOON;
	my $answer;
	until (($answer = $payouts->sql($query)) eq 't' || time > $deadline) { Time::HiRes::usleep(50_000) }
	return is($answer, 't', $name);
}
