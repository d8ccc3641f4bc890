# Mail has a worker of its own: whatever a mail server does, payouts go on at their usual speed, and the worker of mail follows
# reloads and ends at once; however it ends, a message is in doubt where it may have been sent, and no payout is.

use strict;
use warnings;

use IO::Socket::INET;
use Murallink::Mail;
use Murallink::Stack;
use Test::More;
use Time::HiRes qw(time);

# As many as the mail server is called at once with; and for how many seconds payouts and the server are waited for.
use constant { MANY => 32, GRACE => 60, TIMEOUT => 120 };

my $mail = Murallink::Mail->new(conf => "fsync = off\nmurallink.shutdown_grace = '${\GRACE} s'\n");
my $go = $mail->dir . '/go';
$mail->configure('starttls');
my ($worker, $mail_worker) = ($mail->worker, $mail->mail_worker);
is($mail->sql(<<"EOC"), "murallink mail $mail_worker, murallink worker $worker", 'a worker of mail, and one of all else');
SELECT string_agg(backend_type || ' ' || pid, ', ' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type ~ '^murallink (worker|mail)'
EOC
is($mail->sql(q{SELECT string_agg(partner || ' ' || pid, ', ' ORDER BY partner) FROM murallink.worker_status()}), "dash $worker, smtp $mail_worker",
	'the status tells which calls whom');
$mail->call(set_payment_notices => $mail->sql('SELECT contract_uid FROM public.place'), 'false');
my @many = map { "many$_" } 1 .. MANY;
$mail->people(@many);
$mail->order_cards;

note 'servers that hang';
# The kernel takes connections to the first, and nobody greets.
my $silent = IO::Socket::INET->new(Listen => 2 * MANY, LocalAddr => '127.0.0.1') or die "no socket: $!\n";
my $trickling = Murallink::Stack::free_port();
$mail->stack->spawn('trickling', $^X, '-e', trickle(), $trickling);
Murallink::Stack::poll('the trickling server', sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$trickling") });
my $alone = $mail->paid_in(60);
my %beside;
hang($silent->sockport);
$mail->bulk_again('Many', 'Text', @many);
foreach my $what ('a silent server', 'a server that says a letter at a time')
{
	$mail->wait_for("SELECT in_flight = ${\MANY} FROM murallink.worker_status() WHERE partner = 'smtp'");
	$beside{$what} = $mail->paid_in(60, 3 * $alone + 1);
	is($mail->sql(q{SELECT in_flight FROM murallink.worker_status() WHERE partner = 'smtp'}), MANY, "$what: payouts are paid while it hangs");
	$mail->set(application_name => $what);
	$mail->wait_for("SELECT application_name = '$what' FROM pg_stat_activity WHERE pid = $mail_worker");
	is($mail->sql(q{SELECT in_flight FROM murallink.worker_status() WHERE partner = 'smtp'}), MANY,
		'the worker of mail follows a reload meanwhile');
	# What the next worker of mail is to call.
	$what =~ /silent/ ? hang($trickling) : $mail->configure('starttls');
	my $begun = time;
	$mail->sql("SELECT pg_terminate_backend($mail_worker)");
	$mail->wait_for("SELECT pid IS DISTINCT FROM $mail_worker FROM murallink_private.worker_slot('smtp')");
	cmp_ok(time - $begun, '<', GRACE / 2, 'and ends at once when it is told to');
	# The next one may send them already.
	is($mail->sql(q{SELECT count(*) FROM murallink.notices(status => 'in_doubt')}), 0, 'nothing is in doubt');
	$mail_worker = $mail->mail_worker;
}
$mail->wait_status($_ => 'done 3') foreach @many;
is_deeply([ map { scalar taken($_) } @many ], [ (1) x MANY ], 'all that was not sent is sent, once');
my $bound = $mail->bound_beside(60, $alone, 1, values %beside);
cmp_ok($beside{$_}, '<', $bound, sprintf '%s: payouts go on: 60 in %.2f s, without in %.2f s', $_, $beside{$_}, $alone)
  foreach sort keys %beside;
is($mail->worker, $worker, 'the worker of payouts has seen nothing of that');

note 'a fast shutdown in the middle of a message';
$mail->bulk('Stop', 'Text', 'slow1');
waits('slow1');
my $seconds = $mail->stop_server('fast');
cmp_ok($seconds, '<', GRACE / 2, 'the worker of mail ends at once, however long payouts would be waited for');
$mail->start_server;
is($mail->status('slow1'), 'in_doubt 1', 'the message is in doubt');
like($mail->sql("SELECT reason FROM murallink.notices('" . $mail->notice('slow1') . "')"), qr/the worker stopped/, 'which it has written itself');
is(scalar taken('slow1'), 1, 'for the server may have taken it');

note 'kill -9 in the middle of a message';
$mail->bulk('Kill', 'Text', 'slow2');
waits('slow2');
my @paid = $mail->approve(20);
my $list = join ', ', map { "'$_'" } @paid;
$mail->wait_for("SELECT bool_and(status = 'done') FROM murallink.payout WHERE uid IN ($list)");
killed($mail->mail_worker);
$mail->wait_status(slow2 => 'in_doubt 1');
is($mail->doubts, '2 message', 'it is in doubt, with the one before, and no payout is');
is(scalar taken('slow2'), 1, 'it is not sent again');

note 'while payouts are under way';
$mail->bulk('Kill', 'Text', 'slow3');
waits('slow3');
$mail->hold(when => 'after');
my @under_way = $mail->approve(20);
push @paid, @under_way;
$mail->wait_loaded(@under_way);
is($mail->sql(q{SELECT in_flight FROM murallink.worker_status() WHERE partner = 'dash'}), 20, 'the issuer has all, and has answered none');
killed($mail->mail_worker);
$mail->no_fault;
push @paid, $mail->approve(20);
$list = join ', ', map { "'$_'" } @paid;
$mail->wait_for("SELECT bool_and(status = 'done') FROM murallink.payout WHERE uid IN ($list)");
pass('all payouts are paid in the end, those of afterwards, too');
is_deeply([ $mail->wrong ], [], 'each once: the books agree');
$mail->wait_status(slow3 => 'in_doubt 1');
pass('the message is in doubt');

note 'few descriptors';
$mail->set(max_files_per_process => 64);
$mail->stop_server('fast');
$mail->start_server;
$mail->bulk_again('Few', 'Text', @many);
$mail->wait_status($_ => 'done') foreach @many;
is_deeply([ map { $mail->status($_) } @many ], [ ('done 1') x MANY ], 'mails that have none wait for those that have, and do not fail');

note 'the end of the postmaster';
$mail->configure('starttls', timeout => TIMEOUT);
$mail->bulk('Postmaster', 'Text', 'slow4');
waits('slow4');
$mail_worker = $mail->mail_worker;
open my $file, '<', $mail->dir . '/data/postmaster.pid' or die "postmaster.pid: $!\n";
chomp(my $postmaster = <$file>);
close $file;
kill 'KILL', $postmaster;
Murallink::Stack::poll('the worker of mail to end', sub { !defined readlink "/proc/$mail_worker/exe" }, TIMEOUT / 2);
pass('is the end of the worker of mail');
$mail->quietly(sub { Murallink::Stack::poll('the server to start', sub { eval { $mail->start_server; 1 } }) });
$mail->wait_status(slow4 => 'in_doubt 1');
$mail->bulk('After', 'Text', 'after1');
$mail->arrived('after1@example.com');
pass('another one sends what is new');
done_testing();

# Has mail sent to a port where nobody answers for long.
sub hang
{
	my ($port) = @_;
	return $mail->call(configure_partner => 'smtp', "smtp://127.0.0.1:$port", { from => 'trials@example.org', timeout => TIMEOUT }, {});
}

# What was taken for somebody.
sub taken { return $mail->mailbox(to => "$_[0]\@example.com", event => 'taken') }

# Waits until the server has a message and has not answered.
sub waits { my ($name) = @_; return Murallink::Stack::poll("$name to wait", sub { $mail->mailbox(to => "$name\@example.com", event => 'slow') }) }

# Ends a process with kill -9, and waits until the server has started again, with both workers.
sub killed
{
	my ($pid) = @_;
	$mail->quietly(sub { kill 'KILL', $pid; $mail->wait_for("SELECT pid <> $pid FROM murallink_private.worker_slot('smtp')") });
	$mail->worker;
	return;
}

# A server on the port ARGV[0] that says a letter to each who has come, five times a second.
sub trickle
{
	return <<'EOC';
use IO::Socket::INET;
use IO::Select;
$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(Listen => 64, LocalAddr => "127.0.0.1:$ARGV[0]", ReuseAddr => 1) or die;
my @come;
while (1)
{
	my $now = IO::Select->new($listener);
	push @come, $listener->accept while $now->can_read(0);
	@come = grep { syswrite $_, "2" } @come;
	select undef, undef, undef, .2;
}
EOC
}
