# What befalls mail: a killed worker, servers that are slow or refuse, consent that ends meanwhile, and people whose names and
# addresses would be headers. The mailbox of a real SMTP server is the judge.

use strict;
use warnings;
use utf8;

use Encode qw(encode);
use Murallink::Mail;
use Murallink::Stack;
use Test::More;
use Time::HiRes qw(time);

my $mail = Murallink::Mail->new(conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n");
my $go = $mail->dir . '/go';
$mail->configure('starttls');

note 'the worker ends within a mail';
killed('killed1', 'in_doubt 1');
is(scalar taken('killed1'), 1, 'it is in doubt, and not sent twice');
$mail->configure('starttls', resend_after => 3600);
killed('killed2', 'ready 1');
is($mail->sql("SELECT due_at - settled_at >= interval '1 hour' FROM murallink.notices('" . $mail->notice('killed2') . "')"), 't',
	'with a setting it is sent again, after an hour');
is(scalar taken('killed2'), 1, 'and not before');
$mail->hurry('killed2');
$mail->wait_status(killed2 => 'done 2');
my %ids = map { (grep { /^Message-ID/ } @{ $_->{headers} })[0] => 1 } taken('killed2');
is_deeply([ scalar taken('killed2'), scalar keys %ids ], [ 2, 1 ], 'as the same message');
$mail->configure('starttls');
$mail->bulk('Kill', 'Text', 'slow1');
waits('slow1');
$mail->quietly(sub { kill 'KILL', $mail->mail_worker; $mail->wait_ended });
$mail->start_server;
$mail->wait_status(slow1 => 'in_doubt 1');
release();
is(scalar taken('slow1'), 1, 'nor is one that the server still thought about');

note 'refused before anything is said of the recipient';
$mail->configure('starttls', from => 'refused@example.org');
$mail->bulk('Sender', 'Text', qw(sender1 sender2));
$mail->wait_for(q{SELECT count(*) > 0 FROM murallink.notices(status => 'ready') WHERE reason LIKE '%may not send%'});
$mail->configure('starttls');
$mail->hurry($_) foreach qw(sender1 sender2);
$mail->wait_status($_ => 'done') foreach qw(sender1 sender2);
pass('is about us: nothing is declined, and all goes when that is mended');

note 'greylisted for long';
$mail->bulk('Grey', 'Text', 'never1');
my $never = "murallink.notices('" . $mail->notice('never1') . "')";
my $attempt = 0;
while ($attempt < 6)
{
	# It is tried after some time without us, too.
	$mail->hurry('never1') if $attempt;
	$mail->wait_for("SELECT status = 'ready' AND attempt > $attempt FROM $never");
	$attempt = $mail->sql("SELECT attempt FROM $never");
}
is(scalar $mail->mailbox(to => 'never1@example.com'), $attempt, 'tried again and again');
is($mail->sql("SELECT due_at > settled_at + interval '10 s' FROM $never"), 't',
	'less and less often');
$mail->sql("SET session_replication_role = replica; UPDATE murallink_private.notice SET created_at = created_at - interval '6 days' WHERE uid = '" . $mail->notice('never1') . "'");
$mail->hurry('never1');
$mail->wait_status(never1 => 'cancelled');
like($mail->sql("SELECT reason FROM $never"), qr/^given up after 5 days: .*greylisted/,
	'for five days');

note 'consent ends';
$mail->sql(q{SELECT murallink.hold_payouts('a moment', partner => 'smtp')});
$mail->bulk('Stop', 'Text', qw(stop1 stop2 stop3 goes1));
$mail->call(set_consent => $mail->patient('stop1'), 'email', 'false', 'a call');
$mail->call(message_received => 'email', 'stop2@example.com', 'STOP');
$mail->sql(q{UPDATE murallink.patient SET email_enabled = false WHERE email = 'stop3@example.com'});
$mail->sql(q{SELECT murallink.release_payouts(partner => 'smtp')});
$mail->arrived('goes1@example.com');
is(join(' ', map { $mail->status($_) } qw(stop1 stop2 stop3)), join(' ', ('cancelled 0') x 3), 'while a message waits: it is not sent');
$mail->bulk('Stop', 'Text', qw(slowbusy1 slow2));
waits($_) foreach qw(slowbusy1 slow2);
$mail->call(set_consent => $mail->patient($_), 'email', 'false', 'a call') foreach qw(slowbusy1 slow2);
release();
$mail->wait_status(slow2 => 'done 1');
$mail->hurry('slowbusy1');
$mail->wait_status(slowbusy1 => 'cancelled 1');
is(scalar taken('slowbusy1'), 0, 'while it is being sent: it is not sent again');
is(scalar(grep { $mail->mailbox(to => "stop$_\@example.com") } 1 .. 3), 0, 'the server was told of none of them');

note 'an appointment is moved';
$mail->people(qw(moved1 slowbusy3));
my %visit = map { $_ => $mail->appointment($_, '3 hours') } qw(moved1 slowbusy3);
$mail->wait_status(moved1 => 'done 1');
waits('slowbusy3');
my $old = $mail->notice('slowbusy3');
$mail->sql("UPDATE murallink.appointment SET local_time = local_time + interval '61 minutes', at = at + interval '61 minutes' WHERE uid = '$_';"
	. "SELECT murallink_private.follow('appointment', '$_')")
  foreach values %visit;
Murallink::Stack::poll('the new time', sub { taken('moved1') == 2 });
release();
Murallink::Stack::poll('the new time', sub { taken('slowbusy3') == 1 });
release();
my %time = map { $_ => $mail->sql("SELECT to_char(local_time, 'HH24:MI') FROM murallink.appointment WHERE uid = '$visit{$_}'") } keys %visit;
like((taken($_))[-1]{body}, qr/ at $time{$_}/, "$_: the new time is told") foreach keys %visit;
# It may have been tried again meanwhile.
$mail->wait_for("SELECT status IN ('ready', 'cancelled') FROM murallink.notices('$old')");
$mail->sql("UPDATE murallink_private.call SET due_at = now() WHERE uid = '$old' AND status = 'ready'");
$mail->wait_for("SELECT status = 'cancelled' FROM murallink.notices('$old')");
is($mail->sql("SELECT reason FROM murallink.notices('$old')"), 'the appointment was moved', 'the old one is told no more');

note 'a slow server';
$mail->call(set_payment_notices => $mail->sql('SELECT contract_uid FROM public.place'), 'false');
my @slow = map { "slow$_" } 100 .. 139;
$mail->people(@slow);
$mail->order_cards;
my $alone = $mail->paid_in(60);
$mail->bulk_again('Slow', 'Text', @slow);
my $busy = $mail->sql(q{SELECT settings ->> 'concurrency' FROM murallink_private.partner WHERE name = 'smtp'});
$mail->wait_for("SELECT count(*) = $busy FROM murallink.notices(status => 'claimed')");
Murallink::Stack::poll('as many to wait', sub { $busy == grep { $mail->mailbox(to => "$_\@example.com", event => 'slow') } @slow });
my $beside = $mail->paid_in(60, 3 * $alone + 1);
is($mail->sql(q{SELECT count(*) FROM murallink.notices(status => 'claimed')}), $busy, 'while it thinks');
release();
cmp_ok($beside, '<', $mail->bound_beside(60, $alone, 1, $beside), sprintf 'payouts go on: 60 in %.2f s, without in %.2f s', $beside, $alone);
$mail->wait_status($_ => 'done 1') foreach @slow;
is_deeply([ $mail->wrong ], [], 'the books agree');

note 'what would be a header';
my @headers = qw(Content-Type Mime-Version From To Subject Date Message-ID Auto-Submitted);
$mail->sql(q{UPDATE murallink_private.template SET subject = '{first_name} {trial} {site} {subject}' WHERE kind = 'bulk_email'});
my $bcc = 'Bcc: x@example.com';
my @evil = ("a\r\nX: y", "a\nX: y", "a\rX: y", "a\r\n$bcc", "a\n$bcc", "a\r$bcc", "a\r\n\r\n$bcc", "a\r\n .\r\n.\r\nRCPT TO:<x\@example.com>", "\x{2028}$bcc", "\x{2029}$bcc", "\x{85}$bcc",
	"\x{b}$bcc", "\x{c}$bcc", "\x{1}\x{7f}\x{1b}[2J$bcc", '=?utf-8?Q?a=0D=0ABcc:_x@example.com?=', '=?utf-8?B?YQ0KQmNjOiB4?=', "\"<x\@example.com>, $bcc",
	"a\\\r\n$bcc", "\x{202e}$bcc", "\x{ff1c}x\x{40}example.com\x{ff1e}", 'ß' x 100, "\x{1f600}" x 100, 'x' x 100, '%0d%0aBcc: x', '(comment) <x@y>');
# The tables refuse most of these; what sends mail does so, too.
$mail->sql("ALTER TABLE murallink.$_") foreach (
	"patient DROP CONSTRAINT patient_email_check, DROP CONSTRAINT patient_first_name_check, DROP CONSTRAINT patient_last_name_check",
	"trial DROP CONSTRAINT trial_name_check",
	"site DROP CONSTRAINT site_name_check");
$mail->people(map { "evil$_" } 0 .. $#evil);
foreach my $number (0 .. $#evil)
{
	my ($name, $text) = ("evil$number", $evil[$number]);
	my $literal = encode('UTF-8', "\$v\$$text\$v\$");
	$mail->sql("UPDATE murallink.patient SET first_name = $literal, last_name = $literal WHERE email = '$name\@example.com'");
	$mail->sql("UPDATE murallink.trial SET name = $literal; UPDATE murallink.site SET name = $literal");
	$mail->configure('starttls', from_name => $text);
	$mail->bulk_again($text, $text, $name);
	my ($message) = $mail->arrived("$name\@example.com");
	my $seen = $text =~ s/[\x00-\x1f\x7f]/ /gr;
	my $raw = $message->{head} =~ s/\r\n//gr;
	my $shown = encode('UTF-8', $text =~ s/([^ -~])/sprintf '<%x>', ord $1/ger);
	is_deeply([ map { /^([^ :]+):/ } @{ $message->{headers} } ], \@headers, "no header: $shown");
	is_deeply([ @$message{qw(to_name from_name subject)} ], [ "$seen $seen", $seen, join ' ', ($seen) x 4 ], 'but a name');
	is($raw =~ /([^ -~])/ ? sprintf('%x', ord $1) : '', '', 'in plain letters');
	is((grep { length > 78 } lines_of($message)), 0, 'in short lines');
}
is(scalar $mail->mailbox(to => 'x@example.com'), 0, 'and nobody else was written to');
$mail->configure('starttls');
$mail->sql(q{UPDATE murallink_private.template SET subject = '{subject}' WHERE kind = 'bulk_email'});

note 'what would be an address';
my @nowhere = ("\@example.com\r\nRCPT TO:<x\@example.com>", "\@example.com>\n$bcc", "\@example.com\n", "\@example.com\x{2028}", "\@example.com\x{85}",
	"\@ex\x{e4}mple.com", '@example.com x', "\@example.com\t", '@a@b', '@[127.0.0.1]', '@example.com,x@example.com', '@example.com>', "\@\x{0}",
	'@', '@' . ('x' x 260) . '.com', '@example.com(x)', "\@example.com\x{7f}", '@"x".com');
foreach my $number (0 .. $#nowhere)
{
	my $literal = encode('UTF-8', lc "\$v\$nowhere$number$nowhere[$number]\$v\$") =~ s/\0/'||chr(1)||'/r;
	$mail->enroll("SELECT $literal");
}
$mail->bulk_again('Nowhere', 'Text', map { "nowhere$_" } 0 .. $#nowhere);
$mail->wait_for(q{SELECT count(*) = 0 FROM murallink.notices(status => 'ready')});
is($mail->sql(q{SELECT count(*) || reason FROM murallink.notices(status => 'cancelled') GROUP BY reason HAVING reason LIKE 'there is%'}),
	@nowhere . 'there is no address that mail can be sent to', 'is none');
is(scalar(grep { $_->{to} =~ /nowhere|^x/ } $mail->mailbox), 0, 'the server was told of none of them');

note 'texts of all shapes';
my @lines = ('.', '..', '.hidden', '', ' ', '. ', (map { 'x' x $_ . '..y' } 68 .. 80), (map { 'ß' x $_ . '..y' } 20 .. 30), "tab\t", 'x' x 90_000, '.', '');
my $text = join "\n", @lines, 'end';
$mail->bulk('Shapes', $text, 'shapes1');
my ($shapes) = $mail->arrived('shapes1@example.com');
is($shapes->{body} =~ s/\r\n/\n/gr, "$text\n", 'arrive as they are');
is((grep { length > 76 } lines_of($shapes)), 0, 'in lines that every server takes');
done_testing();

# Has the worker end when it has sent a mail, and waits until that has been seen.
sub killed
{
	my ($name, $status) = @_;
	$mail->people($name);
	$mail->end_at(call_sent => sub { $mail->bulk_again('Kill', 'Text', $name) });
	$mail->start_server;
	$mail->wait_status($name => $status);
	$mail->bulk('After', 'Text', "after$name");
	$mail->arrived("after$name\@example.com");
	return;
}

# The lines of a message but the one with the boundary, which libcurl makes in 80 characters.
sub lines_of { my ($message) = @_; return grep { !/^Content-Type: multipart\/mixed; boundary=-{24}[0-9a-f]{16}\z/ } @{ $message->{lines} } }

# What was taken for somebody.
sub taken { return $mail->mailbox(to => "$_[0]\@example.com", event => 'taken') }

# Waits until the server has a message and has not answered; has it answer.
sub waits { my ($name) = @_; return Murallink::Stack::poll("$name to wait", sub { $mail->mailbox(to => "$name\@example.com", event => 'slow') }) }

sub release
{
	open my $file, '>', $go or die "$go: $!\n";
	close $file;
	$mail->wait_for(q{SELECT count(*) = 0 FROM murallink.notices(status => 'claimed')});
	unlink $go;
	return;
}

