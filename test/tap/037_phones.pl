# Phone numbers as people write them: whatever is texted is the number that libphonenumber reads, or nothing is. Some thousand
# spellings are made at random (MURALLINK_SEED repeats those of an earlier run); then partners' calls are looked at.

use strict;
use warnings;
use utf8;

use FindBin;
use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{MURALLINK_SEED} || int(rand(2**31));
diag("MURALLINK_SEED=$seed");
srand($seed);
my $payouts = Murallink::Payouts->new;
my $url = $payouts->stack->{sandbox_url};
my $json = JSON::PP->new->canonical->ascii;

note 'thousands of spellings';
my @texts = (
	'+47 12 34 56 78', '+65 6123 4567', '+45 12345678', '+354 1234567', '176 12345678', '125 555 0105 x5', '0047 12 34 56 78', '0/0393-974.5.8', '01 1 44 20 7946 0958', '011 47 12 34 56 78',
	'1-800-FLOWERS', '610-555-1212 ext. 5', '6105551212,5', '(610) 555-1212', "610\x{a0}555\x{2011}1212", '+1 610 555 1212', '001 610 555 1212',
	"\x{202a}+1 610-555-1212\x{202c}", "\x{200e}(610) 555-1212", "610-555-1212\x{200b}", "\x{202a}+47 12 34 56 78\x{202c}",
	map { spelling() } 1 .. 6000);
my ($output, $errors) = run_command_with($json->encode(\@texts));
is($errors, '', 'the judge reads them');
my @readings = @{ decode_json($output) };
my @ours = split /\n/, $payouts->sql(
	q{SELECT coalesce(murallink_private.phone_number(t), '') || '|' || coalesce(murallink_private.phone_north_american(t), '') FROM jsonb_array_elements_text('}
	  . ($json->encode(\@texts) =~ s/'/''/gr) . q{') WITH ORDINALITY AS e(t, n) ORDER BY n}), -1;
is(scalar @ours, scalar @texts, 'all are read');
my (@wrong, %understood);
foreach my $i (0 .. $#texts)
{
	my ($number, $texted) = split /\|/, $ours[$i], -1;
	my ($here, $abroad) = @{ $readings[$i] };
	my $reading = $texts[$i] =~ /^[\s(]*00/ && ($number !~ /^\+1/ || !($here && $here->{possible})) ? $abroad : $here;
	if ($texted ne '')
	{
		push @wrong, "$texts[$i]: $texted" unless $reading && $reading->{extension} eq '' && $reading->{number} eq "+1$texted" && $reading->{possible};
		$understood{texted}++;
	}
	elsif ($number ne '')
	{
		push @wrong, "$texts[$i]: $number" if $reading && $reading->{number} =~ /^\+1/;
		$understood{abroad}++;
	}
	else
	{
		$understood{nothing}++;
	}
}
is(join("\n", @wrong), '', 'none means another number than the library reads');
note($json->encode(\%understood));
cmp_ok($understood{$_} // 0, '>', 300, "$_: many") foreach qw(texted abroad nothing);

note 'usual spellings are understood';
my @usual = ('%s%s%s', '(%s) %s-%s', '%s-%s-%s', '%s.%s.%s', '%s %s %s', '+1%s%s%s', '+1 (%s) %s-%s', '1-%s-%s-%s', '+1-%s-%s-%s', '1%s%s%s', '001 %s %s %s', '011 1 %s %s %s', '%s/%s-%s');
foreach my $usual (@usual)
{
	my $text = sprintf $usual, 610, 555, 1212;
	is($payouts->sql("SELECT murallink_private.phone_number('$text')"), '+16105551212', "understood: $text");
}
# Lists of contacts put signs around a number that say in which direction it is written.
is($payouts->sql("SELECT coalesce(murallink_private.phone_number(U&'$_->[0]'), 'none')"), $_->[1], "copied: $_->[0]")
  foreach map({ [ $_, '+16105551212' ] } '\202A+1 610-555-1212\202C', '\200E(610) 555-1212', '610-555-1212 \200B', '\FEFF\2068610.555.1212\2069'),
  map { [ $_, 'none' ] } '\202E610-555-1212', '610-5\200E55-1212', '610-555-1212 \200B5';
is($payouts->sql("SELECT coalesce(murallink_private.phone_dialled('$_->[0]'), 'none')"), $_->[1], "to dial: $_->[0]")
  foreach [ '0803 555 1111', '08035551111' ], [ '+234 803 555 1111', '+2348035551111' ], [ '00234 803 555 1111', '+2348035551111' ],
  [ '(610) 555-1212', '6105551212' ], [ '+44 (0)20 7946 0958', 'none' ],
  [ '01 123 4567', '011234567' ], [ '0/0393-974.5.8', 'none' ], [ '0 0 39 397458', 'none' ], [ '0803 555 1111 ext 2', 'none' ], [ '+1 610 555', 'none' ], [ '', 'none' ];

note 'what cannot be reached is sent nothing';
my $trial = $payouts->sql('SELECT trial_uid FROM public.place');
$payouts->call(configure_partner => 'relay', $url, { client_id => 'murallink', product_group_id => 'default', notice_trigger_id => 'notice' }, { api_key => 'relay-key' });
$payouts->call(configure_partner => 'inside_rx', $url, { group => 'SAVE11' }, { api_key => 'inside-rx-key' });
$payouts->call(set_trial_partner => $trial, $_, {}) foreach qw(relay inside_rx);
$payouts->call('enable_payouts');
my @foreign = ('+47 12 34 56 78', '+65 6123 4567', '176 12345678', '610-555-1212 ext. 5', '1-800-FLOWERS', '');
foreach my $phone (@foreign)
{
	my $patient = enroll($phone);
	$payouts->wait_for("SELECT reason = '" . ($phone eq '' ? 'missing_field: phone' : 'invalid_value: phone') . "' FROM murallink.participations('$patient') WHERE partner = 'relay'");
	is($payouts->sql("SELECT count(*) FROM murallink.needs_person WHERE patient_uid = '$patient' AND remedy LIKE 'update_patient%'"), 1, "$phone: a person is told");
	$payouts->wait_for("SELECT actual = 'in' FROM murallink.participations('$patient') WHERE partner = 'inside_rx'");
	is((entries('enrollment', memberId => $patient))[-1]{phone}, undef, 'Inside Rx gets none');
	pay($patient);
	next if $phone eq '';
	$payouts->wait_for("SELECT count(*) = 1 FROM murallink.notices() WHERE patient_uid = '$patient' AND channel = 'sms' AND status = 'cancelled' AND reason = 'there is no phone number that SMS can be sent to'");
	pass('and no notice');
}
is(scalar(() = entries('text')), 0, 'nobody was texted');

note 'the number that a patient had before is texted no more';
my $mover = enroll('(610) 555-1212');
$payouts->wait_for("SELECT actual = 'in' FROM murallink.participations('$mover') WHERE partner = 'relay'");
$payouts->sql("UPDATE murallink.patient SET phone = '610.555.1313' WHERE uid = '$mover'");
pay($mover);
$payouts->wait_for("SELECT count(*) > 0 AND bool_and(status = 'done') FROM murallink.notices() WHERE patient_uid = '$mover' AND channel = 'sms'");
my @onboarded = entries('onboard', ccid => $mover);
is(join(' ', map { $_->{customer}{notification_channels}[0]{channel_addr} } @onboarded[ 0, -1 ]), '6105551212 6105551313', 'a notice goes to the new one');
is(scalar(grep { !$_->{deactivate_previous_connections} } @onboarded), 0, 'and each call ends the connection of the earlier one');

done_testing();

# A text like a phone number, or nearly.
sub spelling
{
	my @countries = (44, 49, 47, 45, 354, 65, 33, 91, 234, 52, 7, 81, 1, 1, 1, 39, 353, 36);
	my $north = rand() < 0.5;
	my $rest = $north ? join '', 2 + int rand 8, int rand 10, int rand 10, 1 + int rand 9, map { int rand 10 } 1 .. 6
	  : join '', (rand() < 0.3 ? 0 : ()), map { int rand 10 } 1 .. 5 + int rand 8;
	my $before = pick('', '', '', '', '+1 ', '+1', '1 ', '1', '1-', '001 ', '011 1 ', '(+1)', '+1 1', '0', '00', '011', '+', '+' . pick(@countries) . ' ',
		'+' . pick(@countries), '00' . pick(@countries) . ' ', '011' . pick(@countries), '+' . pick(@countries) . '(0)', pick(@countries));
	my $grouped = $rest;
	if ($north && rand() < 0.6)
	{
		my @parts = $rest =~ /(...)(...)(....)/;
		$grouped = sprintf pick('(%s) %s-%s', '%s-%s-%s', '%s %s %s', '%s.%s.%s', '%s%s%s', "%s\x{2011}%s\x{a0}%s"), @parts;
	}
	else
	{
		$grouped =~ s/(?<=\d)(?=\d)/rand() < 0.2 ? pick(' ', ' ', '-', '.', '\/') : ''/ge;
	}
	my $after = pick(('') x 12, ' ', ' x5', ' ext. 12', '#3', ',5', ';ext=5', ' (5)', '/6', ' or 610 555 1213', ' home', 'A', ' 5', '-5');
	substr($grouped, int rand length $grouped, 1) = chr(65 + int rand 26) if rand() < 0.05;
	return $before . $grouped . $after;
}

sub pick { return $_[ rand @_ ] }

# What the judge answers to its input, and its errors.
sub run_command_with
{
	my ($input) = @_;
	my ($output, $errors);
	IPC::Run::run([ 'node', "$FindBin::RealBin/phone_judge.cjs" ], '<', \$input, '>', \$output, '2>', \$errors);
	return ($output, $errors);
}

sub enroll
{
	my ($phone) = @_;
	my $patient = $payouts->sql(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, phone, sms_enabled) VALUES ('Pat', 'Ient', 'pat\@example.com', '$phone', true) RETURNING uid
EOC
	$payouts->call(set_participation_details => $patient, 'inside_rx', { dob => '1980-03-23' });
	return $payouts->take_in("SELECT '$patient'::murallink.ksuid AS uid");
}

# A payment, of which there are notices.
sub pay
{
	my ($patient) = @_;
	my ($payout) = $payouts->approve(1, $patient);
	return $payouts->wait_for("SELECT status = 'done' FROM murallink.payout WHERE uid = '$payout'");
}

sub entries { return $payouts->entries(@_) }
