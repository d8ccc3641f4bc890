# Sessions and accounts: reading uses a session as writing does, each has a longest life, an admin who acts as another
# user changes neither password nor address, and who had an account before hears that it was changed. No mail carries the
# words of somebody whose address nobody has verified.

use strict;
use warnings;

use Murallink::Mail;
use Test::More;

my $mail = Murallink::Mail->new;
$mail->configure('starttls');
my $stack = $mail->stack;
$stack->start_postgrest;
my $client = $stack->client;

sub login
{
	my ($email, $password) = @_;
	return $client->api({ action => 'login', payload => { email => $email, password => $password } })->{payload}{session_id};
}

sub api
{
	my ($session, $action, $payload) = @_;
	my $answer = $client->api({ action => $action, session_id => $session, payload => $payload });
	return $answer->{error} ? $answer->{error}{code} : $answer->{message};
}

my $admin = login($stack->{admin_email}, $stack->{admin_password});

note 'a session that is used by reading only';
my %door = (
	'GET' => sub { return ($client->request('GET', "$stack->{url}/rpc/get_patients", undef, { 'Session-Id' => $admin }))[0] },
	'HEAD' => sub { return ($client->request('HEAD', "$stack->{url}/rpc/get_patients", undef, { 'Session-Id' => $admin }))[0] },
	'POST' => sub { return ($client->rpc('get_patients', {}, { 'Session-Id' => $admin }))[0] },
	'api()' => sub { return $client->api({ action => 'get_patients', session_id => $admin })->{status_code} },
	'SQL' => sub { $stack->sql("SELECT murallink.authenticate('$admin'); SELECT count(*) FROM murallink.get_patients()"); return 200 },
	'SQL, read only' => sub { $stack->sql("BEGIN READ ONLY; SELECT murallink.authenticate('$admin'); COMMIT"); return 200 });
my $own = "murallink_private.session WHERE hash = sha256('$admin')";
foreach my $name (sort keys %door)
{
	$stack->sql("UPDATE murallink_private.session SET expires_at = now() + interval '20 s' WHERE hash = sha256('$admin')");
	is($door{$name}->(), 200, "$name: is answered");
	is($stack->sql("SELECT expires_at > now() + interval '29 min' FROM $own"), 't', 'and moves the end of the session');
}
$mail->quietly(sub {
	ok(!eval { $stack->sql("BEGIN READ ONLY; SELECT murallink.authenticate('$admin'); SELECT murallink.keepalive(); COMMIT"); 1 },
		'a read-only transaction stays one');
});

note 'the longest life of a session';
$stack->sql("UPDATE murallink_private.session SET created_at = now() - interval '11 h 50 min', expires_at = now() + interval '20 s'
	WHERE hash = sha256('$admin')");
is(api($admin, 'keepalive'), 'session valid', 'until then it is good');
is($stack->sql("SELECT expires_at = created_at + interval '12 h' FROM $own"), 't', 'and its end moves no further');
is($door{GET}->(), 200, 'whatever uses it');
is($stack->sql("SELECT expires_at = created_at + interval '12 h' FROM $own"), 't', 'also by reading');
$mail->set('murallink.session_lifetime' => '11h');
Murallink::Stack::poll('the setting', sub { api($admin, 'my_info') eq 'unauthenticated' });
is(api($admin, 'my_info'), 'unauthenticated', 'a shorter life holds for those that are open');
$mail->set('murallink.session_lifetime' => '12h');
$stack->sql("UPDATE murallink_private.session SET created_at = now() - interval '12 h', expires_at = now() + interval '1 h'
	WHERE hash = sha256('$admin')");
is($door{$_}->(), 401, "$_: afterwards it has ended") foreach 'GET', 'POST', 'api()';

note 'an admin who acts as another user';
$admin = login($stack->{admin_email}, $stack->{admin_password});
my $admin_uid = $stack->sql("SELECT uid FROM murallink.app_user WHERE email = '$stack->{admin_email}'");
my %bob = (email => 'bob@example.com', password => 'a long password', first_name => 'Bob', last_name => 'Builder');
my $bob = $client->api({ action => 'register', payload => \%bob })->{payload}{uid};
is(api($admin, 'switch_user', { uid => $bob }), 'OK', 'acts as bob');
is(api($admin, 'update_user', { uid => $bob, email => 'mine@example.com' }), 'forbidden', 'and does not redirect the mail');
is(api($admin, 'update_user', { uid => $bob, email => ' BOB@example.com', phone => '1' }), 'OK', 'but the rest');
is(api($admin, 'update_user', { uid => $bob, password => 'another password' }), 'forbidden', 'not the password either');
is($stack->sql("SELECT email FROM murallink.app_user WHERE uid = '$bob'"), 'bob@example.com', 'nothing has changed');

note 'whoever had the account before is told';
my $session = login(@bob{qw(email password)});
is(api($session, 'update_user', { uid => $bob, email => 'robert@example.com' }), 'OK', 'another address');
my ($message) = $mail->arrived('bob@example.com');
like($message->{body}, qr/the e-mail address of your account was changed on \d{4}-\d\d-\d\d at \d\d:\d\d UTC/, 'is mailed to the old one');
is($message->{to_name} // '', '', 'without a name');
is(api($session, 'change_password', { new_password => 'yet another password' }), 'OK', 'another password');
($message) = $mail->arrived('robert@example.com');
like($message->{body}, qr/the password of your account was changed/, 'is mailed, too');
is(scalar($mail->mailbox(to => 'bob@example.com', event => 'taken')), 1, 'to nobody else');
is(api($session, 'update_user', { uid => $bob, email => 'bobby@example.com', password => 'the last password' }), 'OK', 'both at once');
Murallink::Stack::poll('two messages', sub { return $mail->mailbox(to => 'robert@example.com', event => 'taken') == 3 });
is(scalar($mail->mailbox(to => 'bobby@example.com', event => 'taken')), 0, 'go to the address from before');

note 'access that ends, for connections that are in use';
my $boss = login($stack->{admin_email}, $stack->{admin_password});
my $asks = sub {
	my ($action, %payload) = @_;
	my $answer = $client->api({ action => $action, session_id => $boss, payload => \%payload });
	die "$action: $answer->{error}{code}\n" if $answer->{error};
	return $answer->{payload};
};
my $ends = $asks->(create_client => name => 'Ends')->{uid};
$ends = $asks->(create_contract => client_uid => $ends, name => 'Ends', currency => 'USD')->{uid};
$ends = $asks->(create_trial => contract_uid => $ends, name => 'Ends')->{uid};
my %right = (user_uid => $bob, permission => 'view_trials', resource_uid => $ends);
my $sees = sub {
	my ($key) = @_;
	my ($status, $trials) = $client->rpc('get_trials', {}, { 'Session-Id' => $session });
	my $kept = $client->api({ action => 'get_trials', session_id => $session, idempotency_key => $key });
	return join ' ', $status, ref $trials eq 'ARRAY' ? scalar(@$trials) : 'none', $kept->{error} ? $kept->{error}{code} : scalar(@{ $kept->{payload} });
};
foreach my $end ([ revoke => %right ], [ revoke_all => user_uid => $bob, resource_uid => $ends ])
{
	$asks->(grant => %right);
	is($sees->($end->[0]), '200 1 1', 'a grant') foreach 1, 2;
	$asks->(@$end, note => 'has left');
	is($sees->($end->[0]), '200 0 forbidden', "and none after $end->[0]") foreach 1, 2;
}
my $moment = 1;
do { $asks->(grant => %right, until => $stack->sql("SELECT to_json(clock_timestamp() + '${\($moment *= 2)} s') #>> '{}'")) } until $sees->("until $moment") eq '200 1 1';
$stack->sql('SELECT pg_sleep_until(max(until)) FROM murallink.permission_grant');
is($sees->("until $moment"), '200 0 forbidden', 'nor after its end');
$asks->(deactivate_user => user_uid => $bob, note => 'has left');
is($sees->('deactivated'), '401 none unauthenticated', 'nobody') foreach 1, 2;
$asks->(reactivate_user => user_uid => $bob, note => 'is back');
is($sees->('deactivated'), '401 none unauthenticated', 'whose session stays ended');

note 'the current password';
$session = login('bobby@example.com', 'the last password');
my $guesses = "SELECT coalesce(sum(failures), 0) FROM murallink_private.login_attempt WHERE email = 'bobby\@example.com'";
is(api($session, 'change_password', { new_password => 'the next password', current_password => 'a guess' }), 'forbidden', 'is checked where it is sent');
is($stack->sql($guesses), 1, 'and a guess is counted');
my %guess = (new_password => 'the next password', current_password => 'a guess');
is(($client->rpc('change_password', \%guess, { 'Session-Id' => $session }))[0], 403, 'where the transaction fails');
is(($client->rpc('api?select=pgrst_scalar:pgrst_scalar->error->>code::int', { action => 'change_password', session_id => $session, payload => \%guess }))[0],
	400, 'or is made to');
is($stack->sql($guesses), 3, 'all the same');
is(api($session, 'update_user', { uid => $bob, email => 'b@example.com', current_password => 'a guess' }), 'forbidden', 'for the address, too');
is($stack->sql($guesses), 4, 'and counted');
is(api($session, 'change_password', { new_password => 'the next password', current_password => 'the last password' }), 'OK', 'the right one');
is(api($session, 'change_password', { new_password => 'the last password' }), 'OK', 'is not demanded by default');
$mail->set('murallink.require_current_password' => 'on');
Murallink::Stack::poll('the setting', sub { api($session, 'change_password', { new_password => 'the last password' }) eq 'missing_field' });
is(api($session, 'update_user', { uid => $bob, email => 'b@example.com' }), 'missing_field', 'but where the setting says so');
is(api($session, 'update_user', { uid => $bob, phone => '2' }), 'OK', 'not for what is no way in');
is(api($session, 'update_user', { uid => $bob, email => 'bobby2@example.com', current_password => 'the last password' }), 'OK', 'with it all is well');
is(api($session, 'update_user', { uid => $bob, email => 'bobby@example.com', current_password => 'the last password' }), 'OK', 'and back');
is(api(login($stack->{admin_email}, $stack->{admin_password}), 'change_user_password', {
	user_uid => $admin_uid, new_password => 'the next password' }), 'missing_field', 'nor does an admin change the own as one changes others');
$mail->set('murallink.require_current_password' => 'off');
my @answers = map { api($session, 'change_password', { new_password => 'the next password', current_password => 'a guess' }) } 1 .. 11;
is("@answers[0, 10]", 'forbidden locked_out', 'guesses end');
is(api($session, 'change_password', { new_password => 'the next password', current_password => 'the last password' }), 'locked_out', 'for the right one, too');

note 'how often somebody is told';
api($session, 'change_password', { new_password => 'the last password' }) foreach 1 .. 6;
is($stack->sql("SELECT count(*) FROM murallink_private.notice WHERE kind = 'account' AND app_user_uid = '$bob'"), 5,
	'of an account, as often in an hour as tokens are sent: the address may be a stranger\'s');

note 'the words of a stranger';
my $lure = 'you have won. Claim at http://evil.example/claim';
$client->api({ action => 'register', payload => {
	email => 'victim@example.com', password => 'a long password', first_name => $lure, last_name => "http://evil.example/claim" } });
$mail->call(set_template => 'password_reset', 'email', 'Dear {first_name} {last_name}, {token}', '{first_name}, your new password');
is($client->api({ action => 'request_password_reset', payload => { email => 'victim@example.com' } })->{status_code}, 200, 'a token');
($message) = $mail->arrived('victim@example.com');
unlike(join("\n", @{ $message->{lines} }, $message->{subject}, $message->{body}, $message->{to_name} // ''), qr/evil|won/i, 'is mailed without them');
like($message->{body}, qr/\d{4}/, 'with the token');
$stack->sql("UPDATE murallink.app_user SET email_verified = true WHERE email = 'bobby\@example.com'");
is($client->api({ action => 'request_password_reset', payload => { email => 'bobby@example.com' } })->{status_code}, 200, 'a token');
my $dear = sub { grep { $_->{body} =~ /^Dear/ } $mail->mailbox(to => 'bobby@example.com', event => 'taken') };
Murallink::Stack::poll('the token of bobby', $dear);
($message) = $dear->();
like($message->{body}, qr/Dear Bob Builder/, 'whose address is verified is called by name');

done_testing();
