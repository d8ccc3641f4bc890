# An issuer that answers loads as one would who means harm: none of it is taken for a payment or sent again, nothing
# crashes, no call is held up for longer than its time-out, and the worker stays small.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { look_up => JSON::PP::false });
my $stack = $payouts->stack;
my $dir = $stack->{dir};

$payouts->patients(1);
$payouts->order_cards;

# Signs in whoever comes, and answers all else with the file "head", and then again and again with the file "piece".
my $port = Murallink::Stack::free_port();
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
	while (my $request = request($client))
	{
		my $login = $request =~ m{^POST \S*/login };
		my $head = $login ? qq(HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{"status":"success","sessionId":"1"}) : file('head');
		my $piece = $login ? '' : file('piece');
		log_request() unless $login;
		syswrite $client, $head;
		1 while $piece ne '' && syswrite $client, $piece;
	}
	exit;
}

sub request
{
	my ($client) = @_;
	my $request = '';
	while ($request !~ /\r\n\r\n/ || length($') < ($` =~ /^Content-Length: (\d+)/mi ? $1 : 0))
	{
		sysread $client, $request, 65536, length $request or return;
	}
	return $request;
}

sub log_request { open my $log, '>>', 'requests' or die; syswrite $log, "x"; return }
sub file { open my $file, '<:raw', $_[0] or die; local $/; return scalar <$file> // '' }
EOC
close $program or die "hostile.pl: $!\n";
$stack->spawn('hostile', $^X, 'hostile.pl', $port);
write_file(head => '');
write_file(piece => '');
write_file(requests => '');
Murallink::Stack::poll('the hostile issuer', sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") });

my $success = '{"status":"success"}';
my @answers = (
	[ 'deep, and said there', answer('[' x 2000 . '{"state":"success"}' . ']' x 2000) ],
	[ 'deeper than can be read', answer('[' x 500_000) ],
	[ 'a million values', answer('[' . '1,' x 500_000 . '1]') ],
	[ 'too long', answer($success . ' ' x 1_100_000), '', 'The answer is larger than 1 MB' ],
	[ 'one name twice', answer('{"status":"failure","status":"success"}') ],
	[ 'a number that is too great', answer('{"status":"success","balance":1e999}') ],
	[ 'an integer that is too great', answer('{"status":"success","balance":99999999999999999999}') ],
	[ 'NUL, escaped', answer('{"status":"success","message":"\u0000"}') ],
	[ 'NUL', answer(qq({"status":"success","message":"\0"})) ],
	[ 'not UTF-8', answer(qq({"status":"success","message":"\xff"})) ],
	[ 'half a surrogate', answer('{"status":"success","message":"\ud800"}') ],
	[ 'two values', answer("$success $success") ],
	[ 'compressed', answer("\x1f\x8b\x08\0\0\0\0\0", 'Content-Encoding: gzip') ],
	[ 'cut off by a length', answer($success, 'Content-Length: 4000', 'Connection: close') ],
	[ 'HTTP/0.9', $success, ' ' ],
	[ 'another protocol', "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "\0" x 9 ],
	[ 'status 000', answer($success) =~ s/200/000/r ],
	[ 'status 999', answer($success) =~ s/200/999/r ],
	[ 'headers without end', "HTTP/1.1 200 OK\r\n", "X-Header: value\r\n" x 100 ],
	[ 'a header without end', "HTTP/1.1 200 OK\r\nX-Header: ", 'x' x 1000 ],
	[ 'to be continued without end', '', "HTTP/1.1 100 Continue\r\n\r\n" x 10 ],
	[ 'chunks without end', "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n" x 100 ],
	[ 'a chunk of a size that is none', "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", ' ' ],
	[ 'an answer, and one to the next call', answer('{}') . answer($success) ],
);
my $worker = $payouts->worker;
my $memory;
foreach my $answer (@answers)
{
	my ($name, $head, $piece, $words) = @$answer;
	write_file(head => $head);
	write_file(piece => $piece // '');
	# What ends by itself has time to.
	$stack->configure_dash({ timeout => $piece || $name =~ /cut off/ ? 2 : 60 }, "http://127.0.0.1:$port");
	my $requests = -s "$dir/requests";
	my ($payout) = $payouts->approve(1);
	$payouts->wait_settled;
	Murallink::Stack::poll('the request', sub { -s "$dir/requests" > $requests });
	like($payouts->state_of($payout), qr/^in_doubt in_doubt/, "$name: in doubt");
	like($payouts->state_of($payout), qr/\Q$words/, "$name: in words") if $words;
	is((-s "$dir/requests") - $requests, 1, "$name: sent once");
	$memory //= memory();
}
is($payouts->worker, $worker, 'it is the same worker');
cmp_ok(memory() - $memory, '<', 8192, 'and as small as it was');

note 'what is said, but too long to be kept';
write_file(head => answer('{"status":"success","orderId":"' . '7' x 5000 . '"}'));
write_file(piece => '');
$stack->configure_dash({}, "http://127.0.0.1:$port");
my ($named) = $payouts->approve(1);
$payouts->wait_settled;
like($payouts->state_of($named), qr/^done paid/, 'counts');
is($payouts->sql("SELECT reference FROM murallink.payout WHERE uid = '$named'"), '', 'and is not kept');
write_file(head => answer('{"status":"failure","rows":[' . '"12345678",' x 50_000 . '""]}'));
my ($declined) = $payouts->approve(1);
$payouts->wait_settled;
is($payouts->sql("SELECT length(answer::text) FROM murallink_private.call WHERE uid = '$declined'") < 1300, 1,
	'of a long answer it is how it begins');

note 'an error whose text has more bytes than are shown';
$payouts->sql(<<'EOC');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '%', repeat('é', 200); END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON murallink_private.call FOR EACH ROW WHEN (OLD.status = 'claimed') EXECUTE FUNCTION public.refuse();
EOC
$payouts->approve(1);
$payouts->wait_for(q{SELECT last_error ~ '^é' FROM murallink.worker_status()});
is($payouts->sql(q{SELECT convert_from(convert_to(last_error, 'UTF8'), 'UTF8') ~ '^é+$' FROM murallink.worker_status()}), 't',
	'is shown in whole letters');
$payouts->sql('DROP TRIGGER refuse ON murallink_private.call');
$payouts->wait_settled;
is($payouts->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the ledger is right');
kill 'TERM', $stack->running('hostile');
done_testing();

# An answer with that body and those headers besides.
sub answer
{
	my ($body, @headers) = @_;
	push @headers, 'Content-Length: ' . length $body unless grep { /^Content-Length/ } @headers;
	return join "\r\n", 'HTTP/1.1 200 OK', 'Content-Type: application/json', @headers, '', $body;
}

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>:raw', "$dir/$name" or die "$name: $!\n";
	print $file $content;
	close $file or die "$name: $!\n";
	return;
}

# The memory of the worker alone, in KiB.
sub memory
{
	open my $status, '<', "/proc/$worker/status" or die "status: $!\n";
	my ($anonymous) = join('', <$status>) =~ /^RssAnon:\s+(\d+)/m;
	return $anonymous;
}
