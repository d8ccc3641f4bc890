# Where no connection comes about nothing is sent, money stays where it is, and it is sent once there is one.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Socket::INET;
use Murallink::Payouts;
use Murallink::Stack;
use Test::More;

# A server to which the names of one domain are long in being resolved.
my $dir = tempdir(CLEANUP => 1);
chmod 0755, $dir;
open my $source, '>', "$dir/slow.c" or die "slow.c: $!\n";
print $source <<'EOC';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

	if (node != NULL && strcmp(node, "slow.invalid") == 0)
		sleep(60);
	return next(node, service, hints, result);
}
EOC
close $source or die "slow.c: $!\n";
Murallink::Stack::run('gcc', qw(-shared -fPIC -o), "$dir/slow.so", "$dir/slow.c");
my $payouts = do
{
	local $ENV{LD_PRELOAD} = "$dir/slow.so";
	Murallink::Payouts->new(settings => { connect_timeout => 0.5 });
};
my $stack = $payouts->stack;
my $dash = $stack->{sandbox_url};

$payouts->patients(1);
$payouts->order_cards;

# A server whose certificate nobody vouches for, and one that lets no more connections in.
my $tls_port = Murallink::Stack::free_port();
Murallink::Stack::run('sh', '-c', "cd $stack->{dir} && exec openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1"
	  . ' -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2> tls.log');
$stack->spawn('tls', qw(openssl s_server -quiet -cert tls.crt -key tls.key -accept), "127.0.0.1:$tls_port");
Murallink::Stack::poll('the TLS server', sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$tls_port") });
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "listen: $!\n";
my @filling = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $full->sockport, Blocking => 0) } 1 .. 4;

my @endings = (
	[ 'connection refused', 'http://127.0.0.1:' . Murallink::Stack::free_port(), 'connect' ],
	[ 'unknown name', 'https://dash.invalid', 'resolve' ],
	[ 'a name that is long in being resolved', 'https://slow.invalid', 'Resolving timed out' ],
	[ 'no TLS', $dash =~ s/http/HTTPS/r, 'SSL|TLS' ],
	[ 'untrusted certificate', "https://127.0.0.1:$tls_port", 'certificate' ],
	[ 'time-out before the connection', 'http://127.0.0.1:' . $full->sockport, '[Tt]imeout' ],
);
foreach my $ending (@endings)
{
	my ($name, $url, $why) = @$ending;
	$stack->configure_dash({}, $url);
	my $start = time;
	my ($payout) = $payouts->approve(1);
	$payouts->wait_for("SELECT last_error ~ '$why' FROM murallink.worker_status()");
	cmp_ok(time - $start, '<', 40, "$name: found out in time");
	like($payouts->state_of($payout), qr/^ready approved/, "$name: not sent");
	$stack->configure_dash;
	$payouts->wait_settled;
	is($payouts->state_of($payout), 'done paid', "$name: sent when there is a connection");
	is($payouts->loads($payout), 1, "$name: once");
}
is_deeply([ $payouts->wrong ], [], 'the books agree');
kill 'TERM', $stack->running('tls');
done_testing();
