# What is asked of PayPal: payouts to accounts of PayPal and Venmo, each once whatever becomes of the answers, and what has become of
# them. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $payouts = Murallink::Payouts->new(conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n");
my $json = JSON::PP->new->canonical;
my $number = 0;
my %secrets = (client_id => 'murallink', client_secret => 'sandbox');
my %ann = (email => 'ann@example.org');
configure();

note 'paid, as PayPal and Venmo want it';
my %accounts = (
	email => [ \%ann, 'EMAIL PAYPAL ann@example.org' ], phone => [ { phone => '+14155552671' }, 'PHONE VENMO +14155552671' ],
	handle => [ { handle => 'ann-lee' }, 'USER_HANDLE VENMO ann-lee' ]);
foreach my $kind (sort keys %accounts)
{
	my ($account, $shown) = @{ $accounts{$kind} };
	my $reference = fresh();
	my $answer = pay($reference, account => $account);
	is("$answer->{status} $answer->{http_status}", 'done 201', "$kind: accepted");
	my ($item, @more) = paid($reference);
	is(join(' ', @$item{qw(recipient_type recipient_wallet receiver amount currency sender_item_id)}), "$shown 75.00 USD $reference", 'paid');
	is_deeply([ @$item{qw(sender_batch_id note)}, $item->{application_context}, scalar @more ],
		[ $reference, 'Thank you', { social_feed_privacy => 'PRIVATE' }, 0 ], 'once, under its reference, and in no feed');
	is($answer->{facts}{batch_id}, $item->{payout_batch_id}, 'with the number of the batch');
}
my $other = pay(my $named = fresh(), batch => 'another name');
is(join(' ', map { $_->{sender_batch_id} } paid($named)), 'another name', 'or in a batch of another name');
is(scalar(grep { $_->{path} =~ /token/ } $payouts->requests), 1, 'and all of that with one token');

note 'whatever becomes of the answer, it is paid once';
my @faults = (
	[ 'a 500, before', 0, when => 'before', action => 'answer', status => 500 ], [ 'a 500, after', 1, when => 'after', action => 'answer', status => 500 ],
	[ 'lost before', 0, when => 'before', action => 'close' ], [ 'lost after', 1, when => 'after', action => 'reset' ],
	[ 'half an answer', 1, when => 'after', action => 'truncate' ], [ 'a conflict', 1, when => 'after', action => 'answer', status => 409 ],
	[ 'another batch', 1, when => 'after', action => 'answer', status => 201, body =>
		'{"batch_header":{"payout_batch_id":"Q1","batch_status":"PENDING","sender_batch_header":{"sender_batch_id":"x"}}}' ],
	[ 'words', 1, when => 'after', action => 'answer', status => 201, body => '{"status":"ok"}' ]);
foreach my $fault (@faults)
{
	my ($what, $applied, %fault) = @$fault;
	my $reference = fresh();
	$payouts->fault(operation => 'paypal.pay', count => 1, %fault);
	is(pay($reference)->{status}, 'in_doubt', "$what: in doubt");
	is(scalar(paid($reference)), $applied, 'in truth');
	my $looked = ask(look_up => $reference);
	is("$looked->{status} $looked->{http_status}", $applied ? 'declined 400' : 'done 201', 'the same again tells');
	my ($item, @more) = paid($reference);
	is($looked->{facts}{batch_id}, $item->{payout_batch_id}, 'which batch it is');
	is(($looked->{facts}{duplicate} // '') . ' ' . @more, ($applied ? 'true' : '') . ' 0', 'and it is paid once');
	$payouts->no_fault;
}
my $twice = fresh();
pay($twice);
is(join(' ', map { $_->{status} } pay($twice), pay($twice)), 'in_doubt in_doubt', 'a payment that is there already never counts as refused');
is(scalar(paid($twice)), 1, 'nor is it paid again');
setting('paypal.duplicate' => 'unlinked');
my $unlinked = ask(look_up => $twice);
is_deeply([ @{ $unlinked->{facts} }{qw(duplicate batch_id)} ], [ 'true', undef ], 'also where the refusal has no link');
is(pay($twice)->{status}, 'in_doubt', 'nor then');
setting('paypal.duplicate' => 'foreign');
my $foreign = ask(look_up => $twice)->{facts}{batch_id};
isnt(request(batch => { batch_id => $foreign })->{facts}{sender_batch_id}, $twice, 'a link to another batch is told by its name');
setting('paypal.duplicate' => 'linked');

note 'not sent, and sent then';
foreach my $status (401, 429)
{
	my $reference = fresh();
	$payouts->fault(operation => 'paypal.pay', count => 1, when => 'before', action => 'answer', status => $status);
	is(pay($reference)->{status}, 'done', "$status: in the end");
	is(scalar(paid($reference)), 1, 'once');
}
setting('paypal.token_calls' => 1);
foreach (1 .. 3)
{
	my $reference = fresh();
	is(pay($reference)->{status} . ' ' . paid($reference), 'done 1', 'a token that ends is renewed, and it is paid once');
}
setting('paypal.token_calls' => 0);

note 'refused, in the words of its sandbox';
my %values = (ERRPYO001 => '403: SENDER_RESTRICTED', ERRPYO003 => '403: AUTHORIZATION_ERROR', ERRPYO005 => '422: INSUFFICIENT_FUNDS',
	ERRPYO010 => '400: VALIDATION_ERROR', ERRPYO038 => '400: NON_HOLDING_CURRENCY');
foreach my $note (sort keys %values)
{
	configure(note => $note);
	my $answer = pay(my $reference = fresh());
	is("$answer->{status} $answer->{reason} " . paid($reference), "declined HTTP $values{$note} 0", $note);
}
foreach my $note (qw(ERRPYO006 ERRPYO036 ERRPYO039))
{
	configure(note => $note);
	is(pay(fresh())->{status}, 'in_doubt', "$note is unclear");
}
configure(note => 'Thank you');
my $wrong = pay(fresh(), amount => '75.001');
is("$wrong->{status} $wrong->{reason}", 'declined HTTP 400: VALIDATION_ERROR: items[0].amount', 'which field is wrong is told');

note 'what becomes of it';
foreach my $status (qw(PENDING SUCCESS UNCLAIMED ONHOLD BLOCKED RETURNED REFUNDED REVERSED FAILED))
{
	setting('paypal.items' => "ann\@example.org=$status:" . ($status eq 'FAILED' ? 'RECEIVER_ACCOUNT_LOCKED' : ''));
	my $batch = pay(my $reference = fresh())->{facts}{batch_id};
	my $head = request(batch => { batch_id => $batch })->{facts};
	is(join(' ', @$head{qw(status sender_batch_id amount currency)}),
		($status eq 'PENDING' ? 'PROCESSING' : $status eq 'FAILED' ? 'DENIED' : 'SUCCESS') . " $reference 75.00 USD", "$status: the batch");
	my $item = $head->{items}[0];
	is(join(' ', @$item{qw(status reference amount currency)}, $item->{error} // '-'),
		"$status $reference 75.00 USD " . ($status eq 'FAILED' ? 'RECEIVER_ACCOUNT_LOCKED' : '-'), 'its item');
	is_deeply(request(item => { item_id => $item->{item_id} })->{facts}, { %$item, sender_batch_id => $reference }, 'and the item itself');
}
setting('paypal.items' => '');
my $shown = request(batch => { batch_id => pay(fresh())->{facts}{batch_id}, page => 2, page_size => 1 });
is_deeply($shown->{facts}{items}, [], 'another page');
foreach my $what ('batch', 'item')
{
	my $answer = request($what => { "${what}_id" => 'none' });
	is("$answer->{status} $answer->{reason}", 'declined HTTP 404: INVALID_RESOURCE_ID', "no such $what");
	$payouts->fault(operation => "paypal.$what", count => 1, when => 'before', action => 'answer', status => 200, body => '{"payout_item_id":"other",'
		. '"transaction_status":"SUCCESS","batch_header":{"payout_batch_id":"other","batch_status":"SUCCESS"}}');
	is(request($what => { "${what}_id" => 'none' })->{reason}, 'HTTP 404: INVALID_RESOURCE_ID', 'another one is not taken for it, and it is asked for again');
}
is($payouts->sql(q{SELECT count(*) FROM murallink_private.call WHERE answer::text ~ 'ann|receiver' OR facts::text ~ 'ann@'}), 0,
	'no answer is kept with whom it paid');
is($payouts->refusal(partner_request => 'paypal', $_, { reference => 'x' }), 'not_found', "nobody asks for $_ by hand") foreach qw(pay look_up login);
note 'payouts: accepted is not paid';
$payouts->stack->make_key;
configure(look_after => 1);
my @words = qw(SUCCESS UNCLAIMED ONHOLD FAILED BLOCKED RETURNED REFUNDED REVERSED);
my %patient = map { $_ => payee(lc $_) } @words;
setting('paypal.items' => '', 'paypal.outcome' => 'PENDING');
my %payout = map { $_ => $payouts->approve(1, $patient{$_}) } @words;
my $all = join ', ', map { "'$_'" } values %payout;
$payouts->wait_for("SELECT bool_and(status = 'done') FROM murallink_private.call WHERE uid IN ($all)");
is(states($all), 'processing claimed', 'what PayPal has accepted is under way');
is($payouts->refusal(cancel_payment => payment($payout{SUCCESS}), 'x'), 'unauthenticated', 'and needs a caller to be cancelled');
setting('paypal.items' => join(',', map { lc($_) . "\@example.org=$_" } @words));
my %becomes = (SUCCESS => 'paid done', UNCLAIMED => 'processing claimed', ONHOLD => 'processing claimed', FAILED => 'failed declined',
	BLOCKED => 'failed declined', RETURNED => 'failed declined', REFUNDED => 'returned done', REVERSED => 'returned done');
foreach my $word (@words)
{
	$payouts->wait_for("SELECT facts #>> '{items,0,status}' = '$word' FROM murallink_private.call WHERE operation = 'batch' AND subject_uid = '$payout{$word}'
		OR facts IS NULL AND status = 'cancelled' AND operation = 'batch' AND subject_uid = '$payout{$word}'");
	is(states("'$payout{$word}'"), $becomes{$word}, "$word: $becomes{$word}");
	is(scalar(paid($payout{$word})), 1, 'accepted once');
}
is($payouts->sql("SELECT reason FROM murallink.payout WHERE uid = '$payout{FAILED}'"), 'PayPal: FAILED', 'why it was not paid');

note 'what was not paid is paid once, under another name';
setting('paypal.items' => '', 'paypal.outcome' => 'SUCCESS');
$payouts->call(retry_payout => $payout{$_}, 'again') foreach qw(FAILED RETURNED);
foreach my $word (qw(FAILED RETURNED))
{
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout{$word}'");
	is(join(' ', map { substr $_->{sender_batch_id}, 27 } paid($payout{$word})), ' -1', "$word: in a second batch");
	is(success($payout{$word}), 1, 'and paid once');
}
foreach my $word (qw(UNCLAIMED ONHOLD))
{
	$payouts->sql("UPDATE murallink_private.call SET due_at = now() WHERE operation = 'batch' AND subject_uid = '$payout{$word}' AND status = 'ready'");
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout{$word}'");
	is(success($payout{$word}), 1, "$word: paid once it is claimed or released");
}

note 'lost answers: the same again finds the batch, and its item decides';
my $who = payee('lost');
foreach my $fault (@faults)
{
	my ($what, $applied, %fault) = @$fault;
	$payouts->fault(operation => 'paypal.pay', count => 1, %fault);
	my ($lost) = $payouts->approve(1, $who);
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$lost'");
	is(paid($lost) . ' ' . success($lost), '1 1', "$what: accepted and paid once");
	$payouts->no_fault;
}

note 'what is not certain is a person\'s';
my %doubts = ('unlinked' => 'PayPal does not say which batch it is', 'foreign' => 'the batch has another name');
foreach my $link (sort keys %doubts)
{
	setting('paypal.duplicate' => $link);
	$payouts->fault(operation => 'paypal.pay', count => 1, when => 'after', action => 'close');
	my ($lost) = $payouts->approve(1, $who);
	$payouts->wait_for("SELECT why ~ '$doubts{$link}' AND remedy = 'resolve_payout' FROM murallink.needs_person WHERE uid = '$lost'");
	is(states("'$lost'"), 'in_doubt in_doubt', "$link: a person decides");
	setting('paypal.duplicate' => 'linked');
	$payouts->call(resolve_payout => $lost, 'not_paid', 'perhaps');
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$lost'");
	is(paid($lost) . ' ' . success($lost), '1 1', 'also a wrong word pays once');
	$payouts->no_fault;
}
setting('paypal.amounts' => 'wrong');
$payouts->fault(operation => 'paypal.pay', count => 1, when => 'after', action => 'close');
my ($wrong_sum) = $payouts->approve(1, $who);
$payouts->wait_for("SELECT why ~ 'its item has another amount' FROM murallink.needs_person WHERE uid = '$wrong_sum'");
is(states("'$wrong_sum'"), 'in_doubt in_doubt', 'another amount');
setting('paypal.amounts' => 'right');
$payouts->call(resolve_payout => $wrong_sum, 'paid', 'their statement shows it');
is(states("'$wrong_sum'"), 'paid done', 'a person knows');
$payouts->no_fault;
$payouts->fault(operation => 'paypal.pay', when => 'before', action => 'close');
my ($old) = $payouts->approve(1, $who);
$payouts->wait_for("SELECT status = 'ready' AND attempt > 0 FROM murallink_private.call WHERE subject_uid = '$old' AND operation = 'look_up'");
my $asks = "SELECT count(*) FROM murallink_private.call l, murallink_private.paypal_look_up_ask(ARRAY[l.uid]) WHERE l.subject_uid = '$old' AND l.operation = 'look_up'";
is($payouts->sql($asks), 1, 'a look-up may pay');
$payouts->sql("SELECT murallink.hold_payouts(payout_uid => '$old', note => 'wait')");
is($payouts->sql($asks), 0, 'but not what is on hold');
$payouts->sql("SELECT murallink.release_payouts(payout_uid => '$old', note => 'go on')");
is($payouts->error_of(<<"EOC"), 'wrong_status', 'and what it is sending is not cancelled');
SELECT FROM murallink_private.call l, murallink_private.call_claim(ARRAY[l.uid]) WHERE l.subject_uid = '$old' AND l.operation = 'look_up';
SELECT murallink.resolve_payout('$old', 'cancelled', 'no')
EOC
$payouts->sql(qq{SET session_replication_role = replica; UPDATE murallink_private.call SET created_at = now() - interval '26 days' WHERE uid = '$old'});
$payouts->wait_for("SELECT status = 'cancelled' FROM murallink_private.call WHERE subject_uid = '$old' AND operation = 'look_up'");
is($payouts->sql("SELECT remedy FROM murallink.needs_person WHERE uid = '$old'"), 'resolve_payout', 'after 25 days the same is not sent again');
$payouts->no_fault;
$payouts->call(resolve_payout => $old, 'not_paid', 'their statement shows nothing');
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$old'");
is(paid($old) . ' ' . success($old), '1 1', 'a person has it sent');

note 'killed at any point';
foreach my $point (qw(claimed claim_committed call_begun call_sent call_answered settling settled settle_committed))
{
	my $lost = killed_at($point);
	$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$lost'");
	is(paid($lost) . ' ' . success($lost), '1 1', "$point: accepted and paid once");
}

note 'the books';
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
my %books = map { split /\|/ } split /\n/, $payouts->sql(q{SELECT o.uid, o.amount::numeric(16, 2) FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid
	WHERE o.partner = 'paypal' AND p.status = 'paid'});
my %theirs;
$theirs{ $_->{sender_item_id} } = $_ foreach $payouts->entries('item');
my %their_books = map { ($_->{sender_item_id} => $_->{amount}) } grep { $_->{transaction_status} eq 'SUCCESS' && $_->{sender_item_id} !~ /fresh/ } values %theirs;
is_deeply(\%books, \%their_books, 'agree with what PayPal has paid');
is($payouts->sql(q{SELECT count(*) FROM murallink_private.call WHERE facts::text || coalesce(answer::text, '') || params::text ~ '@example.org'
	AND resource = 'payout'}), 0, 'and no call has an address');
my @batches = map { $_->{sender_batch_id} } $payouts->entries('batch');
is(scalar @batches, scalar keys %{ { map { $_ => 1 } @batches } }, 'in all of that no batch was accepted twice');
is(pay(fresh(), account => {})->{status}, 'ready', 'without a receiver nothing is sent');
done_testing();

# Configures PayPal, with further settings.
sub configure { my (%settings) = @_; return $payouts->call(configure_partner => 'paypal', $payouts->stack->{sandbox_url}, \%settings, \%secrets) }

sub setting { my (%settings) = @_; return $payouts->sandbox('POST', 'settings', \%settings) }

# A reference that was not used before.
sub fresh { return 'fresh' . ++$number }

# Has the worker make a call of its own, and returns what await_partner() answers.
sub ask
{
	my ($operation, $reference, %more) = @_;
	my $params = $json->encode({ reference => $reference, amount => '75.00', currency => 'USD', account => \%ann, %more });
	my $uid = $payouts->sql("SELECT murallink_private.call_make('paypal', 'request', NULL, '$operation', '$params', false)");
	my $without = $more{account} && !%{ $more{account} };
	$payouts->wait_for('SELECT ' . ($without ? "status = 'ready' AND attempt > 0" : "status NOT IN ('ready', 'claimed')") . " FROM murallink_private.call WHERE uid = '$uid'");
	return $json->decode($payouts->sql("SELECT to_jsonb(c) FROM murallink_private.call c WHERE uid = '$uid'"));
}

sub pay { my ($reference, %more) = @_; return ask(pay => $reference, %more) }

# Asks for a batch or an item as operators do.
sub request
{
	my ($operation, $params) = @_;
	my $uid = $payouts->call(partner_request => 'paypal', $operation, $params);
	return $json->decode($payouts->call(await_partner => $uid, 60));
}

# The items that PayPal has accepted under a reference, as they began.
sub paid { my ($reference) = @_; return grep { $_->{transaction_status} eq 'PENDING' } $payouts->entries('item', sender_item_id => $reference) }

# How many items of a reference PayPal has paid in the end.
sub success
{
	my ($reference) = @_;
	my %last = map { ($_->{payout_item_id} => $_->{transaction_status}) } $payouts->entries('item', sender_item_id => $reference);
	return scalar grep { $_ eq 'SUCCESS' } values %last;
}

# A patient who is paid by PayPal, at an address of that name.
sub payee
{
	my ($name) = @_;
	my $patient = $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name) VALUES ('Pat', '$name') RETURNING uid");
	$payouts->sql(<<"EOC");
UPDATE murallink.enrollment e SET payment_type_uid = t.uid FROM murallink_private.payment_type t WHERE e.patient_uid = '$patient' AND t.name = 'PayPal';
SELECT murallink_private.account_enter('$patient', t.uid, '{"email": "$name\@example.org"}', false) FROM murallink_private.payment_type t WHERE t.name = 'PayPal';
EOC
	return $patient;
}

# The states of payouts and their payments, each once.
sub states
{
	my ($uids) = @_;
	return $payouts->sql("SELECT string_agg(DISTINCT p.status || ' ' || o.status, ', ') FROM murallink.payout o JOIN murallink.payment p ON p.uid = o.payment_uid WHERE o.uid IN ($uids)");
}

sub payment { my ($payout) = @_; return $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'") }

# Has the worker end at a crash point, as kill -9 would, while it pays a payout, which is returned.
sub killed_at
{
	my ($point) = @_;
	my $conf = "$payouts->{stack}{dir}/data/crash.conf";
	append_to_file($conf, "murallink.crash_point = '$point:1'\n");
	$payouts->call('disable_payouts');
	my ($made) = $payouts->approve(1, $who);
	$payouts->stop_server('fast');
	$payouts->start_server;
	$payouts->quietly(sub { eval { $payouts->call('enable_payouts') }; $payouts->wait_ended });
	unlink $conf;
	$payouts->start_server;
	return $made;
}
