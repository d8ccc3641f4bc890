# A list is proof only of what it surely says: however an issuer spells, groups and counts its loads, a payout in doubt is not sent
# again while its load may be among them, and is not taken for paid by something else. The truth is the sandbox's ledger.

use strict;
use warnings;

use JSON::PP;
use Murallink::Between;
use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
my $between = Murallink::Between->new($payouts->stack->{sandbox_url});
my $customer = 30000;

# The list of a card, as the code before it makes it of the ledger's loads.
my $listed = q{ $answer = { status => 'success', orderDetails => [ { proxyKey => key_of($answer, $call), loads => [ %s ] } ] } };
my $bare = 'amount => $_->{amount}, orderId => $_->{orderId}, timestamp => $_->{time}';

note 'loads that may be ours are listed otherwise';
foreach my $case (
	[ 'references cut off', "map { { $bare, referenceId => substr(\$_->{referenceId}, 0, 20) } } \@\$loads" ],
	[ 'references in capitals', "map { { $bare, referenceId => uc \$_->{referenceId} } } \@\$loads" ],
	[ 'references of their own', "map { { $bare, referenceId => \"R\$_->{orderId}\" } } \@\$loads" ],
	[ 'references of their own, since we send none', "map { { $bare, referenceId => \"R\$_->{orderId}\" } } \@\$loads", send_reference => JSON::PP::false ],
	[ 'amounts in cents', 'map { { orderId => $_->{orderId}, amount => $_->{amount} * 100 } } @$loads' ],
	[ 'one order for all', 'map { { amount => $_->{amount}, orderId => 77 } } @$loads' ])
{
	my ($name, $code, %settings) = @$case;
	my ($first, $second) = two(sprintf($listed, $code), \%settings, $name =~ /one order/);
	unlike($payouts->state_of($second), qr/^ready|^claimed/, "$name: nothing is left to do");
	is_deeply([ loads($first), loads($second) ], [ 1, 1 ], "$name: each is loaded once");
}

note 'the loads are in several lists';
foreach my $case (
	[ 'an object for each', 'map { { proxyKey => $key, loads => [ $_ ] } } @$loads' ],
	[ 'two lists', '{ proxyKey => $key, loads => [ @$loads[ 0 .. $#$loads - 1 ] ], loadDetails => [ $loads->[-1] ] }' ],
	[ 'an empty one besides', '{ proxyKey => $key, loads => [], transactions => $loads }' ])
{
	my ($name, $code) = @$case;
	my ($first, $second) = two("my \$key = key_of(\$answer, \$call); \$answer = { status => 'success', orderDetails => [ $code ] }");
	is($payouts->state_of($second), 'done paid', "$name: ours is found");
	is(loads($second), 1, "$name: it is loaded once");
}

note 'not all loads are listed';
my $oldest = sprintf $listed, "map { { $bare, referenceId => \$_->{referenceId} } } grep { \$_->{amount} ne '1.02' } \@\$loads";
foreach my $case ([ '$answer->{hasMore} = JSON::PP::true', 1 ], [ '$answer->{totalPages} = 2', 1 ], [ '$answer->{data} = { totalCount => 2 }', 1 ],
	[ '$answer->{paging} = { next => "/page/2" }', 1 ], [ 'push @{ $answer->{orderDetails}[0]{loads} }, map { { amount => "0.0$_", orderId => $_ } } 1 .. 9', 1 ],
	[ 'push @{ $answer->{orderDetails}[0]{loads} }, map { { amount => "0.0$_", orderId => $_ } } 1 .. 9; $answer->{hasMore} = JSON::PP::false', 0 ],
	[ '$answer->{hasMore} = JSON::PP::false; $answer->{totalPages} = 1; $answer->{totalCount} = 1; $answer->{nextPage} = undef', 0 ])
{
	my ($code, $more) = @$case;
	my ($first, $second) = two("$oldest; $code");
	$more
	  ? like($payouts->state_of($second), qr/^in_doubt .*; looked up: it is not listed, but there may be more than is listed/, "$code: a person decides")
	  : is($payouts->state_of($second), 'done paid', "$code: that is all");
	is(loads($second), $more ? 1 : 2, "$code: the list is believed only then");
}

note 'what is no load is not taken for ours, which was not made';
foreach my $case ([ 'type => "purchase"', 1 ], [ 'transactionType => "Debit"', 1 ], [ 'type => "Unload"', 1 ], [ 'type => "adjustment"', 0 ],
	[ 'type => "load reversal"', 0 ])
{
	my ($kind, $skipped) = @$case;
	issuer();
	my $patient = patient();
	settled(approve($patient, 1.01));
	$between->answers(getOrderDetailsByOrderId => 'my @now = gmtime; my $now = POSIX::strftime("%Y-%m-%dT%H:%M:%SZ", @now); ' . sprintf $listed,
		"(map { { $bare, type => 'load' } } \@\$loads), { amount => '1.02', orderId => 5, timestamp => \$now, $kind }");
	$payouts->fault(operation => 'dash.loadCards', when => 'before', action => 'close', count => 1);
	my ($second) = settled(approve($patient, 1.02));
	$skipped
	  ? is($payouts->state_of($second) . ' ' . loads($second), 'done paid 1', "$kind: it is no load, and ours is sent again")
	  : like($payouts->state_of($second) . ' ' . loads($second), qr/^in_doubt .*no loads of the card are listed 0$/, "$kind: a person decides");
}

note 'what is refused when it is sent again may have been done the first time';
issuer();
learn();
my $patient = patient();
settled($payouts->approve(1, $patient));
$between->answers(getOrderDetailsByOrderId => $oldest);
$between->answers(loadCards => q{ undef $answer });
my ($twice) = approve($patient, 1.02);
$payouts->wait_for("SELECT status = 'in_doubt' FROM murallink.payout WHERE uid = '$twice'");
$between->answers(loadCards => q{ $status = 400; $answer = { status => 'failure', message => 'Duplicate referenceId.' } });
$payouts->wait_idle;
like($payouts->state_of($twice), qr/^in_doubt in_doubt HTTP 400: Duplicate referenceId\.; looked up: it is not listed, and was refused when it was sent again/,
	'so a person decides');
$between->answers;
$payouts->call(resolve_payout => $twice, 'paid', 'they have it');
is($payouts->state_of($twice), 'done paid', 'who can say that it was paid');
issuer();
learn();
$patient = patient();
settled($payouts->approve(1, $patient));
$between->answers(getOrderDetailsByOrderId => $oldest);
$between->answers(loadCards => q{ undef $answer });
($twice) = approve($patient, 1.02);
$payouts->wait_for("SELECT status = 'in_doubt' FROM murallink.payout WHERE uid = '$twice'");
$payouts->sql("SELECT murallink.hold_payouts(payout_uid => '$twice', note => 'we ask')");
$payouts->wait_for("SELECT reason = 'held' FROM murallink.payout WHERE uid = '$twice'");
$between->answers(loadCards => q{ $status = 400; $answer = { status => 'failure', message => 'Duplicate referenceId.' } });
$payouts->stack->configure_dash({ customer_id => $customer, look_up => \0 }, $between->url);
$payouts->sql("SELECT murallink.release_payouts(payout_uid => '$twice')");
$payouts->wait_idle;
is($payouts->state_of($twice), 'in_doubt in_doubt HTTP 400: Duplicate referenceId.', 'also where look-ups were switched off meanwhile');
$between->answers;
$payouts->call(resolve_payout => $twice, 'paid', 'they have it');

note 'what was sent to another address is not looked for at this one';
issuer();
learn();
$between->answers(getOrderDetailsByOrderId => q{ $status = 500 });
$between->answers(loadCards => q{ undef $answer }, 1);
my ($moved) = $payouts->approve(1, patient());
$payouts->wait_for("SELECT status = 'in_doubt' FROM murallink.payout WHERE uid = '$moved'");
my $other = Murallink::Between->new($payouts->stack->{sandbox_url});
$other->answers(getOrderDetailsByOrderId => sprintf $listed, 'grep { $_->{amount} > 1.01 } @$loads');
$payouts->stack->configure_dash({ customer_id => $customer }, $other->url);
learn($other);
$payouts->wait_idle;
like($payouts->state_of($moved), qr/^in_doubt .*looked up: the partner was configured with another address/, 'so a person decides');
is(loads($moved), 1, 'it is loaded once');
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
done_testing();

# Another issuer, who has shown nothing so far.
sub issuer
{
	my ($settings) = @_;
	$between->answers;
	$customer++;
	$payouts->sandbox('POST', 'settings', { 'dash.customer_id' => $customer });
	$payouts->stack->configure_dash({ customer_id => $customer, %{ $settings // {} } }, $between->url);
	return;
}

sub patient { $payouts->patients(1); return $payouts->sql('SELECT uid FROM murallink.patient ORDER BY created_at DESC, uid DESC LIMIT 1') }

sub settled { my @made = @_; $payouts->wait_idle; return @made }

# Approves one payment of that amount.
sub approve
{
	my ($whose, $amount) = @_;
	my $made = $payouts->sql(<<"EOC");
INSERT INTO murallink_private.payment (enrollment_uid, payment_type, amount, currency)
SELECT uid, 'manual', $amount, 'USD' FROM murallink.enrollment WHERE patient_uid = '$whose' RETURNING uid
EOC
	$payouts->sql("UPDATE murallink_private.payment SET status = 'approved' WHERE uid = '$made'; SELECT murallink_private.payout_begin('$made')");
	return $payouts->sql("SELECT uid FROM murallink.payout WHERE payment_uid = '$made'");
}

# Has the issuer show a load of ours.
sub learn
{
	my ($where) = @_;
	my $whose = patient();
	($where // $between)->answers(loadCards => q{ undef $answer }, 1);
	approve($whose, 9.99);
	return if $where;
	$payouts->wait_idle;
	return;
}

# An issuer who has shown our loads pays one payout, and then lists the card's loads as that code has it, and the answer to the
# second is lost after it was loaded. one_order: whether loads are answered with one number for all. Returns both.
sub two
{
	my ($code, $settings, $one_order) = @_;
	issuer($settings);
	learn();
	my $whose = patient();
	my $number = $one_order ? '$answer->{orderId} = 77; ' : '';
	$between->answers(loadCards => $number) if $number;
	my ($first) = settled(approve($whose, 1.01));
	$between->answers(getOrderDetailsByOrderId => $code);
	$between->answers(loadCards => q{ undef $answer }, 1);
	return ($first, settled(approve($whose, 1.02)));
}

# How often a payout has been loaded.
sub loads
{
	my ($payout) = @_;
	my ($card, $amount) = split /\|/, $payouts->sql("SELECT c.proxy_key, o.amount FROM murallink_private.card c JOIN murallink.payout o ON o.card_uid = c.uid WHERE o.uid = '$payout'");
	return scalar grep { $_->{amount} == $amount } $payouts->entries('load', proxyKey => $card);
}
