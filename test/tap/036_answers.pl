# Every answer that Dash may give to an unload, to that of a balance that is moved, and to a look-up: what it proves is taken for done
# or declined, and nothing else is; what a person is told helps to the end; and no money is taken twice, or lost. The sandbox's ledger
# is the judge.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

# What is answered, before the call is looked at, so that nothing is applied, or after it was applied; and what it comes to.
my $json = 'application/json';
my @answers = (
	[ 'nothing: closed', 'both', 'in_doubt', action => 'close' ],
	[ 'nothing: reset', 'both', 'in_doubt', action => 'reset' ],
	[ 'a half', 'after', 'in_doubt', action => 'truncate' ],
	[ 'no JSON', 'after', 'in_doubt', action => 'malformed' ],
	[ 'an empty body', 'both', 'in_doubt', action => 'empty' ],
	[ 'HTML', 'both', 'in_doubt', action => 'answer', status => 200, body => '<html>OK</html>', content_type => 'text/html' ],
	[ 'an empty object', 'both', 'in_doubt', action => 'answer', status => 200, body => '{}', content_type => $json ],
	[ 'another status', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"pending"}', content_type => $json ],
	[ 'both statuses', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"success","rows":[{"status":"failure"}]}', content_type => $json ],
	[ 'success for another amount', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"success","amount":"0.37"}', content_type => $json ],
	[ 'success for another card', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"success","proxyKey":"1"}', content_type => $json ],
	[ 'success for another reference', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"success","referenceId":"0ujtsYcgvSTl8PAuAdqWYSMnLOv"}', content_type => $json ],
	[ 'success with an error', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"success","errors":["x"]}', content_type => $json ],
	[ 'failure with an order', 'both', 'in_doubt', action => 'answer', status => 200, body => '{"status":"failure","orderId":"7"}', content_type => $json ],
	[ 'failure', 'before', 'declined', action => 'answer', status => 200, body => '{"status":"failure","message":"no money"}', content_type => $json ],
	[ '204', 'both', 'in_doubt', action => 'answer', status => 204, body => '' ],
	[ '302', 'both', 'in_doubt', action => 'answer', status => 302 ],
	[ '400', 'before', 'declined', action => 'answer', status => 400 ],
	[ '400 with success', 'both', 'in_doubt', action => 'answer', status => 400, body => '{"status":"success"}', content_type => $json ],
	[ '400 in HTML', 'both', 'in_doubt', action => 'answer', status => 400, body => '<html>', content_type => 'text/html' ],
	[ '401', 'both', 'not_sent', action => 'answer', status => 401 ],
	[ '403', 'before', 'declined', action => 'answer', status => 403 ],
	[ '408', 'both', 'in_doubt', action => 'answer', status => 408 ],
	[ '409', 'both', 'in_doubt', action => 'answer', status => 409 ],
	[ '429', 'both', 'not_sent', action => 'answer', status => 429, retry_after => 1 ],
	[ '500', 'both', 'in_doubt', action => 'answer', status => 500 ],
	[ '503', 'both', 'in_doubt', action => 'answer', status => 503, retry_after => 1 ]);
my @cases = map { my $answer = $_; map { { name => $answer->[0], outcome => $answer->[2], fault => { @$answer[3 .. $#$answer], when => $_, count => 1 } } }
	  $answer->[1] eq 'both' ? qw(before after) : $answer->[1] } @answers;
my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
$payouts->sql("SELECT murallink.create_admin('payer\@example.com', 'correct horse', 'Pat', 'Payer'); SELECT murallink.set_db_role('payer\@example.com', session_user)");

learn();
unloads();
moves();
look_ups();
done_testing();

# The issuer shows one of ours of each kind.
sub learn
{
	$payouts->patients(1);
	my ($payout) = $payouts->approve(1);
	$payouts->wait_idle;
	$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1);
	reverse_it(payment($payout));
	$payouts->wait_idle;
	$payouts->patients(1);
	$payouts->fault(when => 'after', action => 'close', count => 1);
	$payouts->approve(1);
	return $payouts->wait_idle;
}

sub unloads
{
	my @about = paid(scalar @cases);
	foreach my $i (0 .. $#cases)
	{
		my $about = $about[$i];
		$payouts->fault(operation => 'dash.unloadCards', %{ $cases[$i]{fault} });
		reverse_it($about->{payment});
		is(first("operation = 'unload' AND subject_uid = '$about->{payout}'"), $cases[$i]{outcome}, "unload: $cases[$i]{name}, $cases[$i]{fault}{when}");
		$payouts->wait_idle if $cases[$i]{outcome} eq 'not_sent';
	}
	$payouts->no_fault;
	$payouts->wait_idle;
	follow('unload');
	foreach my $i (0 .. $#cases)
	{
		is(join(' ', reversal($about[$i]), cash($about[$i]{patient})), 'reversed returned 0.00', "unload: $cases[$i]{name}, $cases[$i]{fault}{when}: in the end it is back");
	}
	return;
}

sub moves
{
	my @about = paid(scalar @cases);
	foreach my $i (0 .. $#cases)
	{
		my $about = $about[$i];
		($about->{old}) = split /\n/, $payouts->sql("SELECT uid FROM murallink.cards('$about->{patient}')");
		$payouts->call(replace_card => $about->{patient}, 'lost', 'a', $payouts->stock_card);
		$payouts->fault(operation => 'dash.unloadCards', %{ $cases[$i]{fault} });
		$payouts->call(move_balance => $about->{old}, '1.01', 'hers');
		my $which = "operation = 'unload_balance' AND subject_uid = '$about->{old}'";
		is(first($which), $cases[$i]{outcome}, "move: $cases[$i]{name}, $cases[$i]{fault}{when}");
		$payouts->wait_idle if $cases[$i]{outcome} eq 'not_sent';
	}
	$payouts->no_fault;
	$payouts->wait_idle;
	follow('move');
	foreach my $i (0 .. $#cases)
	{
		is(join(' ', cash($about[$i]{patient})), '0.00 1.01', "move: $cases[$i]{name}, $cases[$i]{fault}{when}: in the end it is on the new card");
	}
	return;
}

# The answer is lost, and then the look-up has that answer once.
sub look_ups
{
	my @about = paid(scalar @cases);
	foreach my $i (0 .. $#cases)
	{
		my $about = $about[$i];
		$payouts->fault(operation => 'dash.unloadCards', when => $i % 2 ? 'before' : 'after', action => 'close', count => 1);
		$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', %{ $cases[$i]{fault} });
		reverse_it($about->{payment});
		$payouts->wait_for("SELECT count(*) > 0 FROM murallink_private.call l JOIN murallink_private.call u ON u.uid = l.subject_uid WHERE u.subject_uid = '$about->{payout}' AND u.operation = 'unload' AND (l.attempt > 1 OR l.outcome IS NOT NULL)");
	}
	$payouts->no_fault;
	$payouts->wait_idle;
	follow('look-up');
	foreach my $i (0 .. $#cases)
	{
		is(join(' ', reversal($about[$i]), cash($about[$i]{patient})), 'reversed returned 0.00', "look-up: $cases[$i]{name}: in the end it is back");
	}
	return;
}

# Does what needs_person says, by the truth of the ledger, until nobody is needed.
sub follow
{
	my ($what) = @_;
	is_deeply([ $payouts->follow_advice ], [], "$what: the advice works to the end");
	is_deeply([ $payouts->wrong ], [], "$what: the books agree");
	return;
}

sub reverse_it { my ($payment) = @_; return $payouts->sql("SELECT murallink.request_reversal('$payment', NULL, 'other', 'x')") }
sub payment { my ($payout) = @_; return $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'") }
sub reversal { my ($about) = @_; return split /\|/, $payouts->sql("SELECT p.status, r.status FROM murallink.payment p JOIN murallink.reversal r ON r.payment_uid = p.uid WHERE p.uid = '$about->{payment}'") }

# What is on the cards of a patient, the first one first.
sub cash
{
	my ($patient) = @_;
	return map { $payouts->cash($_) } split /\n/, $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE patient_uid = '$patient' ORDER BY created_at");
}

# So many new patients with a paid payment of 1.01 each.
sub paid
{
	my ($count) = @_;
	my @about;
	$payouts->patients($count);
	my @patients = split /\n/, $payouts->sql("SELECT uid FROM murallink.patient ORDER BY created_at DESC LIMIT $count");
	foreach my $patient (@patients) { my ($payout) = $payouts->approve(1, $patient); push @about, { patient => $patient, payout => $payout, payment => payment($payout) } }
	$payouts->wait_idle;
	return @about;
}

# The outcome of the first attempt of a call, once it has ended.
sub first
{
	my ($which) = @_;
	$payouts->wait_for("SELECT count(*) > 0 FROM murallink_private.call WHERE ($which) AND (attempt > 1 OR outcome IS NOT NULL)");
	return $payouts->sql("SELECT coalesce((SELECT h.outcome FROM murallink_private.call_attempt h WHERE h.call_uid = c.uid AND h.attempt = 1), c.outcome) FROM murallink_private.call c WHERE $which");
}
