# Cards that expire: when the issuer says so, operators see it before the issuer declines what is loaded on them.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $today = $payouts->sql("SELECT (now() AT TIME ZONE 'UTC')::date");

note 'how a partner writes it';
foreach my $case (
	[ '2029-11-30' => '2029-11-30' ], [ '2029-11-30T00:00:00Z' => '2029-11-30' ], [ '2028-02' => '2028-02-29' ], [ '11/2029' => '2029-11-30' ],
	[ '2/27' => '2027-02-28' ], [ '12/29' => '2029-12-31' ], map { [ $_ => '' ] } '1129', '2911', '11/12/2029', '13/2029', '2029-02-30', 'never', '', '0/29')
{
	my ($shown, $day) = @$case;
	is($payouts->sql("SELECT murallink_private.card_expiry('$shown')"), $day, "'$shown': " . ($day || 'not clear'));
}

note 'a card that is ordered, alone and among many';
my $soon = day(29);
my $later = day(60);
my $far = day(61);
my $alone = patient('Alone', $soon);
pay($alone);
is(expires($alone), $soon, 'the answer to the order says it');
my @many = map { patient("Many$_", $later) } 1, 2;
$payouts->call(order_cards => '{' . join(',', @many) . '}');
$payouts->wait_idle;
is(expires($_), $later, 'so do the details of a bulk order') foreach @many;
my $silent = patient('Silent', '');
pay($silent);
is(expires($silent), '', 'an issuer that says nothing');
is($payouts->sql('SELECT count(*) FROM murallink.cards_expiring(36500)'), 3, 'is not listed');
is(expiring(), 'Alone, Many1, Many2', 'the first to expire first, within 60 days');
is(expiring(29) . '|' . expiring(28), 'Alone|', 'or as many days as one asks for');
is($payouts->refusal(cards_expiring => -1), 'invalid_value', 'no days');
is(stuck(), "Alone it expires on $soon replace_card", 'a person is told a month before');

note 'S5: replaced before it expires';
$payouts->sandbox('POST', 'settings', { 'dash.expires' => $far });
$payouts->call(replace_card => $alone, 'expired', 'it ends this month');
$payouts->wait_idle;
is($payouts->sql("SELECT string_agg(expires_on::text, ' ' ORDER BY since) FROM murallink.cards('$alone')"), "$soon $far", 'the new one expires later');
is(expiring() . stuck(), 'Many1, Many2', 'nobody is told any more');
my ($paid) = pay($alone);
is($payouts->state_of($paid), 'done paid', 'and the next payment is paid');

note 'what is asked for later';
my $handed = patient('Handed', $later);
pay($handed);
$payouts->sandbox('POST', 'settings', { 'dash.expires' => day(3) });
my $stock = $payouts->stock_card;
$payouts->call(replace_card => $handed, 'damaged', 'handed out', $stock);
is(expires($handed), '', 'the issuer has not said when a card of the stock expires');
$payouts->call(ask_card => $handed, 'details');
$payouts->wait_idle;
is(expires($handed), day(3), 'until it is asked');
is(stuck(), 'Handed it expires on ' . day(3) . ' replace_card', 'a person is told');
$payouts->sql("UPDATE murallink.enrollment SET status = 'completed' WHERE patient_uid = '$handed'");
is(stuck(), '', 'not of one who gets no more');
is_deeply([ $payouts->wrong ], [], 'the books agree');

done_testing();

sub day { my ($days) = @_; return $payouts->sql("SELECT '$today'::date + $days") }

# A new patient, at an issuer whose next cards expire then.
sub patient
{
	my ($name, $expires) = @_;
	$payouts->sandbox('POST', 'settings', { 'dash.expires' => $expires });
	return $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name, email)"
		  . " VALUES ('Pat', '$name', lower('$name\@example.com')) RETURNING uid");
}

sub pay
{
	my ($patient) = @_;
	my @made = $payouts->approve(1, $patient);
	$payouts->wait_idle;
	return @made;
}

sub expires { my ($patient) = @_; return $payouts->sql("SELECT expires_on FROM murallink.cards('$patient') WHERE until IS NULL") }

sub expiring
{
	my ($days) = @_;
	my $asked = defined $days ? $days : '';
	return $payouts->sql(<<"EOC");
SELECT string_agg(p.last_name, ', ' ORDER BY c.expires_on, p.last_name) FROM murallink.cards_expiring($asked) c JOIN murallink.patient p ON p.uid = c.patient_uid
EOC
}

sub stuck
{
	return $payouts->sql(<<'EOC');
SELECT string_agg(concat_ws(' ', p.last_name, n.why, n.remedy), ', ') FROM murallink.needs_person n JOIN murallink.patient p ON p.uid = n.patient_uid
EOC
}
