# Strangers through PostgREST: what they guess is counted, whatever they have become of the transaction, and locks out
# nobody else.

use strict;
use warnings;

use HTTP::Tiny;
use IPC::Run;
use Murallink::Node;
use Murallink::Stack;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('strangers');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . $Murallink::Stack::conf_of_passwords);
$node->start;
my $stack = Murallink::Stack->new(node => $node)->start;
my $client = $stack->client;
my $password = 'correct horse';

# The HTTP status of a call of a function, and the headers of its answer.
sub status
{
	my ($function, $arguments, %more) = @_;
	my ($status, $body, $headers) = $client->request('POST', "$client->{url}/rpc/$function" . ($more{query} // ''), $arguments,
		$more{session} ? { 'Session-Id' => $more{session} } : {});
	return wantarray ? ($status, $headers, $body) : $status;
}

sub user
{
	my ($name) = @_;
	my $email = "$name\@example.com";
	is(status(register => { email => $email, password => $password, first_name => $name, last_name => 'Doe' }), 200, "$name");
	return $email;
}

sub log_in
{
	my ($email, $session) = @_;
	my (undef, undef, $answer) = status(login => { email => $email, password => $password }, session => $session);
	return $answer->{session_id};
}

sub failures
{
	my ($email) = @_;
	return $stack->sql("SELECT coalesce(sum(failures), 0) FROM murallink_private.login_attempt WHERE email = '$email'");
}

sub lock_out
{
	my ($email) = @_;
	status(login => { email => $email, password => 'wrong horse' }) foreach 1 .. 5;
	return;
}

# Does something in so many processes at once; returns what each has returned.
sub at_once
{
	my (@doing) = @_;
	pipe my $go_read, my $go_write or die "pipe: $!\n";
	my @processes = map {
		my $do = $_;
		pipe my $read, my $write or die "pipe: $!\n";
		defined(my $pid = fork) or die "fork: $!\n";
		if ($pid == 0)
		{
			close $go_write;
			$client->{http} = HTTP::Tiny->new(timeout => 60);
			readline $go_read;
			syswrite $write, $do->();
			POSIX::_exit(0);
		}
		close $write;
		{ pid => $pid, read => $read };
	} @doing;
	close $go_write;
	return map { my $said = readline $_->{read}; waitpid $_->{pid}, 0; $said } @processes;
}

note 'guesses whose answer makes the transaction fail';
my $ann = user('ann');
my %wrong = (email => $ann, password => 'wrong horse');
is(status(login => \%wrong, query => '?select=session_id::ksuid'), 400, 'a cast that fails for the wrong one') foreach 1 .. 3;
is(failures($ann), 3, 'they are counted');
my $cast = '?select=pgrst_scalar:pgrst_scalar->error->>code::int';
is(status(api => { action => 'login', payload => \%wrong }, query => $cast), 400, 'also of the JSON protocol') foreach 1 .. 2;
is(failures($ann), 5, 'they are counted');
is(status(login => { %wrong, password => $password }), 423, 'and the account is locked for the right password');
is(status(login => \%wrong), 423, 'and for the wrong one');
$node->stop('immediate');
$node->start;
Murallink::Stack::poll('PostgREST to find the server again', sub { status('ping') == 204 });
is(status(login => \%wrong), 423, 'also after the server has crashed');

note 'guesses side by side';
my $bob = user('bob');
my @tried = at_once((sub { status(login => { email => $bob, password => 'wrong horse' }) }) x 9,
	sub { status(login => { email => $bob, password => $password }) });
my %count;
$count{$_}++ foreach @tried;
note("statuses: @tried");
cmp_ok($count{401} // 0, '<=', 5, 'no more are compared than one after the other');
lock_out($bob);
is_deeply([ at_once(map { my $guess = $_; sub { status(login => { email => $bob, password => $guess }) } } 'wrong horse', $password) ],
	[ 423, 423 ], 'a lock tells nothing of the password');

note 'who has logged in before';
my $cyd = user('cyd');
my $session = log_in($cyd);
is(status(logout => {}, session => $session), 204, 'a session that has ended');
lock_out($cyd);
is(status(login => { email => $cyd, password => $password }), 423, 'strangers are locked out');
my $next = log_in($cyd, $session);
ok($next, 'the client with an old session id is not');
my $api = $client->api({ action => 'login', session_id => $next, payload => { email => $cyd, password => $password } });
ok($next = $api->{payload}{session_id}, 'nor through the JSON protocol');
(undef, $next) = split /\n/, $stack->sql(
	"SELECT set_config('request.headers', '{\"session-id\": \"$next\"}', true); SELECT session_id FROM murallink.login('$cyd', '$password')");
ok($next, 'nor in SQL');
is(status(login => { email => $cyd, password => $password }, session => log_in($ann, $session) || $session), 423,
	'a session id that another one has replaced serves no more');
is(status(login => { email => $bob, password => $password }, session => $next), 423, 'nor does one of somebody else');
status(login => { email => $cyd, password => 'wrong horse' }, session => $next) foreach 1 .. 5;
is(status(login => { email => $cyd, password => $password }, session => $next), 423, 'a client that guesses becomes a stranger');
is($stack->sql("SELECT count(*) FROM murallink_private.known_place WHERE hash = sha256('$next')"), 0, 'for as long as it does not log in');

note 'for how long a client is known, and how many are';
my $hal = user('hal');
my $old = log_in($hal);
lock_out($hal);
my $expires = "UPDATE murallink_private.known_place SET expires_at = now() %s WHERE hash = sha256('$old')";
$stack->sql(sprintf $expires, '');
is(status(login => { email => $hal, password => $password }, session => $old), 423, 'after murallink.known_place_lifetime it is a stranger');
$stack->sql(sprintf $expires, "+ interval '1 min'");
$stack->sql(<<"EOC");
INSERT INTO murallink_private.known_place (hash, app_user_uid, expires_at)
SELECT sha256(n::text::bytea), uid, now() + interval '1 day' FROM murallink.app_user, generate_series(1, 105) AS n WHERE email = '$hal'
EOC
ok(log_in($hal, $old), 'before, it is known');
is($stack->sql("SELECT count(*) FROM murallink_private.known_place JOIN murallink.app_user ON uid = app_user_uid WHERE email = '$hal'"), 100,
	'the last hundred of a user are kept');

note 'tokens';
my $dan = user('dan');
is(status(request_password_reset => { email => $dan }), 204, 'a token is requested');
my $token = $stack->sql("SELECT token FROM murallink_private.live_reset_token WHERE email = '$dan'");
my %guess = (email => $dan, password => 'a new horse', token => substr($token, 0, 6) . '000000');
is(status(api => { action => 'reset_password', payload => \%guess }, query => $cast), 400, 'a guess that makes the transaction fail');
is($stack->sql("SELECT tries FROM murallink_private.password_reset WHERE email = '$dan'"), 1, 'is counted');
status(reset_password => { %guess, token => sprintf('%012d', $_) }) foreach 1 .. 10;
status(request_password_reset => { email => $dan }) foreach 1 .. 10;
lock_out($dan);
is(status(reset_password => { %guess, token => $token }), 204, 'whoever has the token sets the password, whatever strangers do');
lock_out($dan);
is(status(login => { email => $dan, password => 'a new horse' }), 423, 'they lock the account');
is(status(login => { email => $dan, password => 'a new horse' }, session => $token), 200, 'and whoever had the token logs in');

note 'who has an account';
my %known = (email => $ann, password => $password, first_name => 'A', last_name => 'B');
my $eve = user('eve');
is(status(register => { %known, email => $eve }, query => '?select=email::int'), 409, 'registering tells that there is an account');
is(failures($eve), 1, 'and that is counted');

my $gil = user('gil');
my $of_gil = log_in($gil);
my $gil_uid = $stack->sql("SELECT uid FROM murallink.app_user WHERE email = '$gil'");
my @asked = map { scalar(status(update_user => { uid => $gil_uid, email => $eve }, query => '?select=email::int', session => $of_gil)) } 1 .. 5;
is("@asked", '409 409 409 409 423', 'so does taking an address, which counts as well');
is(failures($eve), 5, 'as long as that is answered');

note 'who waits for nobody';
my $fay = user('fay');
my $place = log_in($fay);
my @waiting;
foreach my $number (1 .. 2)
{
	my ($in, $out) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('murallink') ], '<', \$in, '>', \$out);
	$in = "BEGIN;\nSELECT murallink_private.take_hash_slot(false);\n";
	$session->pump until $out =~ /t\n/;
	push @waiting, [ $session, \$in ];
}
my ($status, $headers) = status(login => { email => $fay, password => $password });
is($status, 503, 'as many hash a password as may');
my $after = $headers->{'retry-after'};
is(ref $after ? $after->[-1] : $after, 1, 'when to try again; PostgREST adds one of its own');
is($client->api({ action => 'login', payload => { email => $fay, password => $password } })->{error}{code}, 'busy', 'the same of the JSON protocol');
is(status('ping'), 204, 'others are answered');
ok(log_in($fay, $place), 'also those who are known');
foreach my $waiting (@waiting)
{
	my ($session, $in) = @$waiting;
	$$in .= "COMMIT;\n\\q\n";
	$session->finish;
}
my ($in, $out) = ('', '');
my $idle = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('murallink') ], '<', \$in, '>', \$out);
$in = "BEGIN;\nSELECT murallink.login('$fay', 'wrong horse');\n\\echo done\n";
$idle->pump until $out =~ /done/;
is(status(login => { email => $fay, password => $password }), 200, 'a transaction that stays open after a wrong login keeps nobody waiting');
is(status(request_password_reset => { email => $fay }), 204, 'a token');
$token = $stack->sql("SELECT token FROM murallink_private.live_reset_token WHERE email = '$fay'");
foreach my $guess ('0' x 12, substr($token, 0, 6) . '0' x 6)
{
	$out = '';
	$in = "SELECT murallink.reset_password('$fay', 'a new horse', '$guess');\n\\echo done\n";
	$idle->pump until $out =~ /done/;
	is(status(login => { email => $fay, password => $password }), 200, 'nor one after a wrong token');
}
$in .= "\\q\n";
$idle->finish;

done_testing();
