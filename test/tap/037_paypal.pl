# What is asked of PayPal: payouts to accounts of PayPal and Venmo, each once whatever becomes of the answers, and what has become of
# them. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new;
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
	return $json->decode($payouts->call(await_partner => $uid, $more{account} && !%{ $more{account} } ? 1 : 60));
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
