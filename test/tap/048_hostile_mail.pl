# A mail server that means harm, or is ill: payouts go on, no message is taken for sent, nothing crashes, and the worker
# stays small.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $stack = $payouts->stack;
my $dir = $stack->{dir};
my $port = Murallink::Stack::free_port();

$payouts->patients(2);
$payouts->order_cards;
$payouts->sql('UPDATE murallink.patient SET email_enabled = true');
my $worker = $payouts->worker;
$payouts->wait_for(q{SELECT pid IS NOT NULL FROM murallink_private.worker_slot('smtp')});
my $mail_worker = $payouts->sql(q{SELECT pid FROM murallink_private.worker_slot('smtp')});
my $alone = $payouts->paid_in(4);
# Less than payouts would take if they waited for the mail server, with its time-out
my $enough = 3 * $alone + 2.5;
my %took;
start_server();
my $connections = connections();

my $tls = { require_tls => JSON::PP::true, ca_file => "$dir/cert.pem" };
# What the server does when somebody comes, and what becomes of the message: when it has not been sent, or may have been.
foreach my $harm (
	[ 'a greeting without an end', 'flood "220-mail\r\n"', 'ready' ],
	[ 'a greeting without the end of a line', 'flood "x" x 65536', 'ready' ],
	[ 'no greeting', 'sleep 60', 'ready' ],
	[ 'a byte a second', 'drip "220 mail\r\n"', 'ready' ],
	[ 'an end after half of the greeting', 'put "220-mail"', 'ready' ],
	[ 'all replies before the commands', 'put "220 mail\r\n" . "250 ok\r\n" x 4 . "354 go on\r\n250 taken\r\n"; sleep 60', 'ready' ],
	[ 'a reply without an end', 'greet; flood "250-ok\r\n"', 'ready' ],
	[ 'a reply without the end of a line', 'greet; flood "2" x 65536', 'ready' ],
	[ 'replies that are no words', 'greet; flood "\0\r\n\xff 250\n25"', 'ready' ],
	[ 'an end of the replies alone', 'greet; shutdown STDOUT, 1; sleep 60', 'ready' ],
	[ 'a message that is not read', 'greet 3; sleep 60', 'in_doubt' ],
	[ 'a flood instead of the last reply', 'greet 3; take; flood "250-ok\r\n"', 'in_doubt' ],
	[ 'no TLS, where it is wanted', 'greet; 1 while <STDIN>', 'ready', $tls ],
	[ 'replies behind the word that begins TLS',
		'put "220 mail\r\n"; <STDIN>; put "250-mail\r\n250 STARTTLS\r\n"; <STDIN>; put "220 go on\r\n250 ok\r\n250 ok\r\n354 go on\r\n"; 1 while <STDIN>',
		'ready', $tls ],
	[ 'our password repeated',
		'put "220 mail\r\n"; foreach my $reply ("250-mail\r\n250 AUTH PLAIN", 334, 235, 250, "550 not with pass-word-1234") { <STDIN>; put("$reply \r\n") } 1 while <STDIN>',
		'declined' ],
	)
{
	my ($name, $does, $status, $settings) = @$harm;
	does($does, $settings);
	my $notice = message();
	Murallink::Stack::poll("somebody to come, for $name", sub { -s "$dir/came" });
	$took{$name} = $payouts->paid_in(4, $enough);
	$payouts->wait_for("SELECT status = '$status' AND attempt > 0 AND reason <> '' FROM murallink.notices('$notice')");
	unlike($payouts->sql("SELECT status, reason FROM murallink.notices('$notice')"), qr/pass-word/, "$status, with a reason");
}
is($payouts->worker, $worker, 'the worker goes on');
is($payouts->sql(q{SELECT pid FROM murallink_private.worker_slot('smtp')}), $mail_worker, 'that of mail, too');
$payouts->sql(q{SELECT murallink.hold_payouts('the end', partner => 'smtp')});
$payouts->wait_for(q{SELECT in_flight = 0 FROM murallink.worker_status() WHERE partner = 'smtp'});
my $bound = $payouts->bound_beside(4, $alone, 2.5, values %took);
cmp_ok($took{$_}, '<', $bound, "$_: payouts go on") foreach sort keys %took;
Murallink::Stack::poll('connections to be closed', sub { connections() <= $connections });
pass('and keeps no connection');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# How many connections the worker of mail has open.
sub connections { return scalar grep { (readlink // q()) =~ /^socket/ } glob "/proc/$mail_worker/fd/*" }

# A new message; returns the uid of its notice.
sub message
{
	return $payouts->sql(<<'EOC');
WITH mail AS (
    INSERT INTO murallink_private.bulk_email (client_uid, contract_uid, trial_uid, site_uid, subject, body)
    SELECT client_uid, contract_uid, trial_uid, site_uid, 'Message', repeat('long ', 20000) FROM public.place RETURNING uid
), made AS (
    INSERT INTO murallink_private.notice (kind, channel, patient_uid, bulk_email_uid)
    SELECT 'bulk_email', 'email', p.uid, m.uid FROM mail m, (SELECT uid FROM murallink.patient LIMIT 1) p
    RETURNING uid
)
SELECT m.uids[1] FROM (SELECT array_agg(uid) AS uids FROM made) m, LATERAL murallink_private.notices_send(m.uids)
EOC
}

# Has the server do that from here on.
sub does
{
	my ($does, $settings) = @_;
	open my $file, '>', "$dir/does" or die "does: $!\n";
	print $file $does;
	close $file or die "does: $!\n";
	$payouts->sql(q{UPDATE murallink_private.call SET status = 'cancelled' WHERE resource = 'notice' AND status = 'ready'});
	$payouts->call(configure_partner => 'smtp', "smtp://127.0.0.1:$port", { from => 'trials@example.org', timeout => 3, %{ $settings // {} } },
		{ username => 'murallink', password => 'pass-word-1234' });
	unlink "$dir/came";
	return;
}

# Does with each who comes what the file "does" says.
sub start_server
{
	open my $program, '>', "$dir/hostile.pl" or die "hostile.pl: $!\n";
	print $program <<'EOC';
use strict;
use warnings;
use IO::Socket::INET;

$SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => "127.0.0.1:$ARGV[0]", ReuseAddr => 1) or die;
while (1)
{
	my $client = $listener->accept or next;
	serve($client) if fork == 0;
	close $client;
}

sub serve
{
	my ($client) = @_;
	open STDIN, '<&', $client or die;
	open STDOUT, '>&', $client or die;
	close $client;
	open my $came, '>>', 'came' or die;
	print $came "came\n";
	close $came;
	alarm 60;
	open my $does, '<', 'does' or die;
	eval join '', <$does>;
	die $@ if $@;
	exit;
}

sub put { syswrite STDOUT, $_[0] or exit }
sub flood { my $piece = $_[0] x (1 + 65536 / length $_[0]); put($piece) while 1 }
sub drip { foreach my $c (split //, $_[0] x 100) { put($c); sleep 1 } }
sub take { while (<STDIN>) { last if /^\.\r/ } }

# Greets, and says yes to so many commands, and go on to the last.
sub greet
{
	put("220 mail\r\n");
	my $commands = $_[0] // 0;
	while (<STDIN>)
	{
		put(/^EHLO/ ? "250 mail\r\n" : /^DATA/ ? "354 go on\r\n" : "250 ok\r\n") if /^EHLO/ || $commands > 0;
		return if !/^EHLO/ && --$commands <= 0;
	}
}
EOC
	close $program or die "hostile.pl: $!\n";
	$stack->spawn('hostile', 'sh', '-c', "cd $dir && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mail -addext "
		  . "subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2> tls.err && exec perl hostile.pl $port");
	Murallink::Stack::poll('the mail server', sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") });
	return;
}
