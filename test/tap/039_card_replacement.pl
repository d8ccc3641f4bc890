# A card that is lost, stolen, expired, damaged or never arrived is replaced: from that moment nothing new is loaded on it,
# what is under way ends on it, and what waits goes to the new one. The sandbox's ledger is the judge.

use strict;
use warnings;

use JSON::PP;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 0 });
my ($stock, @keys) = $payouts->stock_card;

note 'a card is lost while payouts are being sent and others wait (S3)';
my $pat = patient('Pat');
my ($first) = pay($pat, 1);
my $lost = card($pat);
my $lost_key = key($lost);
is(on($first), $lost_key, 'the first payment is on the first card');
$payouts->hold(count => 2);
my @flying = pay($pat, 2);
$payouts->wait_for(q{SELECT count(*) = 2 FROM murallink_private.call WHERE operation = 'load' AND status = 'claimed'});
$payouts->sql("SELECT murallink.hold_payouts('a pause', contract_uid => (SELECT contract_uid FROM public.place))");
my @held = pay($pat, 1);
$payouts->hold(operation => 'dash.orderCards');
my ($answer, $new) = replace($pat, 'lost', 'lost in the bus');
is($answer, 'ready||2|0|1.01', 'one is ordered, two are in flight, and 1.01 is known to be on the old one');
isnt($new, $lost, 'it is another card');
is($payouts->sql("SELECT until IS NOT NULL, ended_reason, ended_note FROM murallink.cards('$pat')"),
	"t|lost|lost in the bus\nf||", 'the history has both');
is($payouts->refusal(replace_card => $pat, 'lost', 'again'), 'already_exists', 'asked twice while it is ordered: the first stands');
my ($late) = pay($pat, 1);
$payouts->no_fault;
$payouts->wait_for("SELECT status = 'done' FROM murallink.cards() WHERE uid = '$new'");
$payouts->sql("SELECT murallink.release_payouts(contract_uid => (SELECT contract_uid FROM public.place))");
$payouts->wait_settled;
is(on($_), $lost_key, 'what was in flight has ended on the old card') foreach @flying;
is(on($_), key($new), 'and what came later or was held is on the new one') foreach @held, $late;
like($payouts->sql("SELECT changes FROM murallink.audit_event WHERE resource = 'card' AND resource_uid = '$lost'"),
	qr/"ended_note": \{"to": "lost in the bus", "from": ""\}/, 'the audit says why');
check_books('after a card was lost');

note 'a payout waits for the new card, and one in doubt is looked up on the old one';
my $dot = patient('Dot');
pay($dot, 1);
my $old = card($dot);
$payouts->fault(when => 'after', action => 'close', count => 1);
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', status => 503);
my ($doubt) = pay($dot, 1, 'in_doubt');
$payouts->hold(operation => 'dash.orderCards');
($answer, $new) = replace($dot, 'stolen', 'out of the bag');
is($answer, 'ready||1|0|1.01', 'the doubt is in flight');
my ($waiting) = pay($dot, 1, 'waiting');
is($payouts->state_of($waiting), 'waiting approved card_pending', 'what is paid now waits for the new card');
is($payouts->sql(q{SELECT count(*) FROM murallink.needs_person}), 0, 'which needs nobody');
$payouts->no_fault;
$payouts->wait_settled;
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$doubt'");
is(on($doubt), key($old), 'the doubt was solved by the old card, on which it is');
is(on($waiting), key($new), 'and the one that waited is on the new card');
is_deeply([ looked_up($doubt) ], [ order_of($old) ], 'nobody asked about the new card');
check_books('after a doubt');

note 'one in doubt that was not carried out is sent to the new card';
my ($learnt) = pay($dot, 1);
$payouts->fault(when => 'before', action => 'close', count => 1);
$payouts->fault(operation => 'dash.getOrderDetailsByOrderId', when => 'before', action => 'answer', status => 503);
($doubt) = pay($dot, 1, 'in_doubt');
my $third = replaced($dot, 'damaged', 'the chip', $stock);
$payouts->no_fault;
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$doubt'");
is(on($doubt), $stock, 'where it is loaded once');
is($payouts->loads($doubt), 1, 'as the ledger shows');
check_books('after a doubt that was none');

note 'a reversal unloads the card that was loaded, or the new one if that was replaced';
pay($dot, 1) foreach 1 .. 2;
$payouts->call(reverse_payment => payment($learnt), 'not earned');
$payouts->wait_for("SELECT status = 'reversed' FROM murallink.payment WHERE uid = '" . payment($learnt) . "'");
my ($unload) = $payouts->unloads($learnt);
is($unload->{proxyKey}, $stock, 'the card on which it was loaded was replaced: the new one is unloaded');
$payouts->fault(operation => 'dash.unloadCards', when => 'after', action => 'close', count => 1);
$payouts->call(reverse_payment => payment($waiting), 'nor this');
$payouts->wait_for("SELECT status = 'reversed' FROM murallink.payment WHERE uid = '" . payment($waiting) . "'");
is_deeply([ map { $_->{proxyKey} } $payouts->unloads($waiting) ], [$stock],
	'in doubt, it is looked up on the card that was unloaded');
$payouts->hold(operation => 'dash.orderCards');
replaced($dot, 'expired', 'at the end of the month');
is($payouts->refusal(reverse_payment => payment($doubt), 'nor that'), 'wrong_status',
	'while the new card is ordered there is none to unload');
$payouts->no_fault;
$payouts->wait_settled;
check_books('after reversals');

note 'a copy: what another server may have loaded on the old card is looked up there, and not sent to the new one';
my $sue = patient('Sue');
pay($sue, 1);
$payouts->sql("SELECT murallink.hold_payouts('a pause', partner => 'dash')");
my ($suspect) = $payouts->approve(1, $sue);
my $suspected = card($sue);
$payouts->sql("UPDATE murallink_private.payout_switch SET place = 'elsewhere'");
$payouts->call('enable_payouts');
my ($counted) = replace($sue, 'lost', 'in the copy', $payouts->stock_card);
is($counted, 'done||1|0|1.01', 'it is in flight');
$payouts->sql("SELECT murallink.release_payouts(partner => 'dash')");
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$suspect'");
is_deeply([ looked_up($suspect) ], [ order_of($suspected) ], 'the old card is asked for it; what is not on it is loaded on the new one');
is($payouts->loads($suspect), 1, 'once');

note 'keys';
my $mia = patient('Mia');
pay($mia, 1);
$payouts->wait_settled;
is($payouts->refusal(replace_card => $mia, 'lost', 'a', $_), 'already_exists', "somebody has or had it: $_")
  foreach $lost_key, "00$lost_key", $lost_key + 0, $stock, key(card($mia));
is($payouts->refusal(replace_card => $mia, 'lost', 'a', $_), 'invalid_value', "no key: '$_'")
  foreach ' 12', '12-34', "12\n", '0', '٣٤';
is($payouts->refusal(replace_card => $mia, 'mislaid', 'a'), 'invalid_value', 'no reason that is known');
is($payouts->refusal(replace_card => $mia, 'lost', ''), 'missing_field', 'no note');
is($payouts->refusal(replace_card => $mia, '', 'a'), 'missing_field', 'no reason');
is($payouts->refusal(replace_card => patient('Neo'), 'lost', 'a'), 'not_found', 'a patient without a card');
my $another = $payouts->stock_card;
my $mistyped = $another + 1;
replaced($mia, 'never_arrived', 'handed out at the site', $mistyped);
my ($refused) = pay($mia, 1, 'declined');
is($payouts->refusal(resolve_card => card($mia), 'true', 'wrong digit', $another), 'wrong_status', 'a key that was mistyped stays');
replaced($mia, 'damaged', 'the key was mistyped', $another);
is($payouts->refusal(replace_card => $mia, 'damaged', 'twice', $another), 'already_exists', 'asked twice with a key: the first stands');
$payouts->call(retry_payout => $refused, 'the right key');
$payouts->wait_settled;
is(on($refused), $another, 'until another replacement corrects it');
check_books('after keys');

note 'an order that is under way';
my $amy = patient('Amy');
$payouts->hold(operation => 'dash.orderCards', count => 1);
my ($amys) = pay($amy, 1, 'waiting');
$payouts->wait_for(q{SELECT count(*) = 1 FROM murallink_private.call WHERE operation = 'order' AND status = 'claimed'});
my $ordered = card($amy);
is($payouts->refusal(replace_card => $amy, 'never_arrived', 'too slow'), 'already_exists', 'nothing is ordered twice');
my $handed = $payouts->stock_card;
($answer) = replace($amy, 'never_arrived', 'too slow', $handed);
is($answer, 'done||0|1|0', 'a card of the stock takes its place, and what waits goes there');
unlike($payouts->state_of($amys), qr/waiting/, 'at once');
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$amys'");
is(on($amys), $handed, 'and is loaded');
$payouts->no_fault;
$payouts->wait_settled;
my $late_key = key($ordered);
like($late_key, qr/^\d+$/, 'the card that comes late is known');
is($payouts->refusal(replace_card => $amy, 'lost', 'a', $late_key), 'already_exists', 'as one that was replaced');
is($payouts->sql(qq{SELECT count(*) FROM murallink.needs_person WHERE patient_uid = '$amy'}), 0, 'and needs nobody');
my $bob = patient('Bob');
my $spare = $payouts->stock_card;
$payouts->stop_sandbox;
my ($bobs) = pay($bob, 1, 'waiting');
$payouts->wait_for(q{SELECT max(attempt) > 1 FROM murallink_private.call WHERE operation = 'order' AND status = 'ready'});
$ordered = card($bob);
$payouts->sql("SELECT murallink.hold_payouts('a pause', partner => 'dash')");
replaced($bob, 'never_arrived', 'not even ordered', $spare);
is($payouts->sql("SELECT status FROM murallink.cards('$bob') WHERE uid = '$ordered'"), 'cancelled',
	'an order that was certainly not sent is cancelled');
$payouts->run_sandbox;
$payouts->sql("SELECT murallink.release_payouts(partner => 'dash')");
$payouts->wait_settled;
is(scalar($payouts->entries('order', lastName => 'Bob')), 0, 'and never sent');
$payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$bobs'");
is(on($bobs), $spare, 'while the card of the stock is loaded');

note 'an order of many that is under way';
my @many = map { patient("Many$_") } 1 .. 3;
my @handed = map { $payouts->stock_card } 1, 2;
$payouts->sandbox('POST', 'settings', { 'dash.bulk_calls' => 1000 });
$payouts->sql("SELECT murallink.hold_payouts('a pause', partner => 'dash')");
$payouts->call(order_cards => '{' . join(',', @many) . '}');
replaced($many[0], 'never_arrived', 'before it is sent', $handed[0]);
$payouts->sql("SELECT murallink.release_payouts(partner => 'dash')");
$payouts->wait_for(q{SELECT bool_or(attempt > 1) FROM murallink.partner_tasks() WHERE operation = 'bulk_details'});
replaced($many[1], 'never_arrived', 'after that', $handed[1]);
is($payouts->refusal(replace_card => $many[2], 'never_arrived', 'a'), 'already_exists', 'nothing is ordered twice');
$payouts->sandbox('POST', 'settings', { 'dash.bulk_calls' => 0 });
$payouts->wait_idle;
is(join(' ', map { scalar $payouts->entries('order', lastName => "Many$_") } 1 .. 3), '0 1 1', 'left out if it was not sent');
is($payouts->sql("SELECT string_agg(status || ' ' || ended_reason, ', ' ORDER BY since) FROM murallink.cards('$_->[0]')"), $_->[1], 'and else recorded')
  foreach [ $many[0] => 'cancelled never_arrived, done ' ], [ $many[1] => 'done never_arrived, done ' ], [ $many[2] => 'done ' ];

note 'the issuer answers an order with the key of the card that was replaced';
my $ken = patient('Ken');
pay($ken, 1);
$payouts->sandbox('POST', 'settings', { 'dash.recognises' => 'email' });
replaced($ken, 'lost', 'in the sea');
$payouts->wait_settled;
is($payouts->sql("SELECT status, reason FROM murallink.cards('$ken') WHERE until IS NULL"),
	'in_doubt|the answer has the key of another card of this patient', 'in doubt, and a person decides');
is($payouts->sql(q{SELECT remedy FROM murallink.needs_person}), 'resolve_card', 'who is told');
$payouts->sandbox('POST', 'settings', { 'dash.recognises' => 'nobody' });
replaced($ken, 'lost', 'the issuer has sent this one', $payouts->stock_card);
is($payouts->sql(q{SELECT count(*) FROM murallink.needs_person}), 0, 'a card of the stock settles it');
my $doubted = $payouts->sql("SELECT uid FROM murallink.cards('$ken') WHERE status = 'in_doubt'");
is($payouts->refusal(resolve_card => $doubted, 'false', 'a'), 'wrong_status', 'the order in doubt is never repeated');
check_books('at the end');

done_testing();

sub patient
{
	my ($name) = @_;
	return $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name, email)"
		  . " VALUES ('Pat', '$name', lower('$name\@example.com')) RETURNING uid");
}

# Payouts to a patient, in the end of the status; done if none is given.
sub pay
{
	my ($patient, $count, $status) = @_;
	my @made = $payouts->approve($count, $patient);
	$status //= $count == 1 && !on_hold() ? 'done' : undef;
	$payouts->wait_for("SELECT status = '$status' FROM murallink.payout WHERE uid = '$made[0]'") if $status;
	return @made;
}

sub on_hold { return $payouts->sql('SELECT count(*) FROM murallink_private.payout_hold') }

# Replaces a card: what is answered but for the uids, and the new card.
sub replace
{
	my @arguments = @_;
	my $call = Murallink::Stack::call(replace_card => @arguments);
	my $columns = join ', ', map { "r.$_" } qw(card_uid status reason in_flight waiting balance);
	my ($new, $answer) = $payouts->sql($call =~ s/^SELECT (.*)$/SELECT $columns FROM $1 r/r) =~ /^(\w+)\|(.*)$/;
	return ($answer, $new);
}

sub replaced { my @arguments = @_; return (replace(@arguments))[1] }

sub card { my ($patient) = @_; return $payouts->sql("SELECT uid FROM murallink.cards('$patient') WHERE until IS NULL") }
sub key { my ($card) = @_; return $payouts->sql("SELECT proxy_key FROM murallink_private.card WHERE uid = '$card'") }
sub order_of { my ($card) = @_; return $payouts->sql("SELECT order_id FROM murallink_private.card WHERE uid = '$card'") }
sub payment { my ($payout) = @_; return $payouts->sql("SELECT payment_uid FROM murallink.payout WHERE uid = '$payout'") }

# The keys of the cards on which a payout was loaded, as the issuer says.
sub on { my ($payout) = @_; return join ' ', map { $_->{proxyKey} } $payouts->entries('load', referenceId => $payout) }

# The orders for which look-ups of a payout asked.
sub looked_up
{
	my ($payout) = @_;
	return split /\n/, $payouts->sql("SELECT DISTINCT params ->> 'order_id' FROM murallink_private.call"
		  . " WHERE subject_uid = '$payout' AND operation = 'look_up'");
}

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}
