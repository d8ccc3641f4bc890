# Sign-on by an identity provider: tokens of the shape of Keycloak and of Entra ID, signed with RS256 and verified by a
# real PostgREST; and a client that sets the claims in SQL is nobody.

use strict;
use warnings;

use DBI;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $json = JSON::PP->new->utf8->canonical;
my $keycloak = 'https://login.example.com/realms/trials';
my $entra = 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $issuers = $json->encode([
	{ issuer => $keycloak, audience => 'murallink', email => 'email', domains => ['example.com'] },
	{ issuer => $entra, audience => '6e74172b-be56-4843-9ff4-e66a39bb12e3', subject => 'oid', email => 'email',
		email_verified => 'xms_edov', domains => [ 'sponsor.example.com' ] } ]);

# A key of an issuer, in a file, and as a JSON web key.
sub new_key
{
	my ($name) = @_;
	my $file = "$dir/$name.pem";
	system("openssl genrsa -out $file 2048 2>/dev/null") == 0 or die "openssl: $?\n";
	my ($modulus) = `openssl rsa -in $file -noout -modulus 2>/dev/null` =~ /Modulus=([0-9A-F]+)/ or die "no modulus\n";
	return { file => $file, jwk => { kty => 'RSA', use => 'sig', alg => 'RS256', kid => $name, e => 'AQAB',
			n => encode_base64url(pack 'H*', $modulus) } };
}

# A token with these claims, signed with a key; without one it has the algorithm none.
sub token
{
	my ($key, %claims) = @_;
	my $header = $key ? { alg => 'RS256', typ => 'JWT', kid => $key->{jwk}{kid} } : { alg => 'none', typ => 'JWT' };
	my $signed = join '.', map { encode_base64url($json->encode($_)) } $header, \%claims;
	return "$signed." unless $key;
	append_to_file("$dir/signed", '');
	open my $file, '>', "$dir/signed" or die "signed: $!\n";
	print $file $signed;
	close $file;
	my $signature = `openssl dgst -sha256 -sign $key->{file} $dir/signed`;
	return "$signed." . encode_base64url($signature);
}

sub keys_of_postgrest
{
	my (@keys) = @_;
	open my $file, '>', "$dir/jwks.json" or die "jwks.json: $!\n";
	print $file $json->encode({ keys => [ map { $_->{jwk} } @keys ] });
	close $file;
	return;
}

my ($first, $second) = (new_key('first'), new_key('second'));
keys_of_postgrest($first);
my $node = Murallink::Node->new('sign_on');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . <<"EOC");
murallink.sign_on_roles = 'authenticator'
murallink.sign_on_issuers = '$issuers'
EOC
$node->start;
my ($keys) = slurp_file('docs/applications.md') =~ /^```conf postgrest sign_on\n(.*?)^```/ms;
my $stack = Murallink::Stack->new(node => $node, postgrest => $keys =~ s{/etc/postgrest}{$dir}r)->start;
my $client = $stack->client;
my $now = time;

# What Keycloak and Entra ID put into an access token.
my %keycloak = (
	iss => $keycloak, aud => [ 'murallink', 'account' ], sub => 'f1b7a2d0-52d4-4c6e-9a1c-5ad0a3f3b001', typ => 'Bearer', azp => 'portal',
	exp => $now + 300, iat => $now, auth_time => $now - 10, jti => 'onrtac:1', sid => 's', acr => '1', scope => 'openid email profile',
	realm_access => { roles => [ 'offline_access', 'uma_authorization' ] }, email => 'Ann@Example.com', email_verified => JSON::PP::true,
	preferred_username => 'ann', given_name => 'Ann', family_name => 'Lyst');
my %entra = (
	iss => $entra, aud => '6e74172b-be56-4843-9ff4-e66a39bb12e3', sub => 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ', ver => '2.0',
	oid => '00000000-0000-0000-66f3-3332eca7ea81', tid => '9188040d-6c67-4c5b-b112-36a304b66dad', exp => $now + 3600, iat => $now,
	nbf => $now, azp => '11112222', scp => 'access_as_user', name => 'Bob Builder', preferred_username => 'bob@sponsor.example.com',
	email => 'bob@sponsor.example.com', roles => [], uti => 'x', rh => 'y');

# The status, and the e-mail address of the caller, or the hint of the refusal.
sub asks
{
	my ($token, $function, $headers) = @_;
	my ($status, $body) = $client->rpc($function // 'my_info', {}, { ($token ? (Authorization => "Bearer $token") : ()), %{ $headers // {} } });
	return join ' ', $status, ref $body eq 'HASH' ? $body->{email} // $body->{hint} // '' : ();
}

sub admin_asks
{
	my ($action, %payload) = @_;
	my $session = $client->api({ action => 'login', payload => { email => $stack->{admin_email}, password => $stack->{admin_password} } })
	  ->{payload}{session_id};
	my $answer = $client->api({ action => $action, session_id => $session, payload => \%payload });
	return $answer->{error} ? "$answer->{error}{code} $answer->{error}{field}" : $answer->{payload};
}

my $unbound = '401 Your account of the identity provider is bound to no active user: ask an administrator.';

note 'a verified e-mail address binds a user without a password at the first sign-on';
my $ann = admin_asks(create_user => (email => 'ann@example.com', first_name => 'Ann', last_name => 'Lyst'))->{uid};
is(asks(token($first, %keycloak, email_verified => JSON::PP::false)), $unbound, 'one that is not verified does not');
is(asks(token($first, %keycloak, email => 'ann@example.com.evil.example')), $unbound, 'nor one of a domain that is not the issuer\'s');
is($stack->sql('SELECT count(*) FROM murallink_private.identity'), 0, 'nothing is bound by these');
is(($client->request('GET', "$client->{url}/rpc/get_trials", undef, { Authorization => 'Bearer ' . token($first, %keycloak) }))[0], 200,
	'at a request that only reads, too');
is(asks(token($first, %keycloak)), '200 ann@example.com', 'signs on');
is(asks(token($first, %keycloak, email => 'renamed@example.com')), '200 ann@example.com', 'by the subject from then on');
is(asks(token($first, %keycloak, sub => 'somebody-else')), $unbound, 'which nobody gets who has the address later');
is($stack->sql("SELECT seen_at > now() - interval '1 min' FROM murallink_private.last_seen WHERE app_user_uid = '$ann'"), 't', 'and is seen');
is((asks(token($first, %keycloak), 'ping')), '204', 'functions that need nobody are called as well');
is(asks(undef), '401 ' . $stack->sql(q{SELECT hint FROM murallink.errors() WHERE name = 'unauthenticated'}), 'without a token there is nobody');

note 'who has a password, and who is an administrator, is bound by an administrator';
is($client->api({ action => 'register', payload => { email => 'bob@sponsor.example.com', password => 'a long password', first_name => 'Bob', last_name => 'B' } })->{status_code},
	200, 'a user with a password');
my $bob = $stack->sql(q{SELECT uid FROM murallink.app_user WHERE email = 'bob@sponsor.example.com'});
is(asks(token($first, %entra, xms_edov => '1')), $unbound, 'because somebody else may have registered the address');
my %bob = (user_uid => $bob, issuer => $entra, subject => $entra{oid}, note => 'asked for by the sponsor');
my $bound = admin_asks(bind_identity => %bob);
is($bound->{email}, 'bob@sponsor.example.com', 'is bound');
is(asks(token($first, %entra)), '200 bob@sponsor.example.com', 'by the claim that the setting names');
is(admin_asks(bind_identity => (%bob, user_uid => $ann)), 'already_exists subject', 'once');
is(admin_asks(bind_identity => (%bob, issuer => 'https://evil.example')), 'invalid_value issuer', 'of an issuer that is set');
my $admin = $stack->sql("SELECT uid FROM murallink.app_user WHERE email = '$stack->{admin_email}'");
admin_asks(bind_identity => (user_uid => $admin, issuer => $keycloak, subject => 'root', note => 'first'));
my $factors = '401 Administrators sign on by several factors: the claim amr must have mfa.';
is(asks(token($first, %keycloak, sub => 'root')), $factors, 'an administrator needs several factors');
is(asks(token($first, %keycloak, sub => 'root', amr => ['pwd'])), $factors, 'which one is not');
is(asks(token($first, %keycloak, sub => 'root', amr => [ 'pwd', 'mfa' ])), "200 $stack->{admin_email}", 'with them');
is((asks(token($first, %keycloak), 'get_users')) =~ s/ .*//r, '403', 'others are no administrators');

note 'what is no token for us';
my %wrong = (
	'another issuer' => { iss => 'https://evil.example/realms/trials' }, 'an issuer with a slash' => { iss => "$keycloak/" },
	'another audience' => { aud => 'account' }, 'no audience' => { aud => undef }, 'no expiry' => { exp => undef },
	'an expiry that has passed' => { exp => $now - 60 }, 'a time to come' => { nbf => $now + 600 },
	'no subject' => { sub => undef }, 'an empty subject' => { sub => '' }, 'a subject that is no text' => { sub => 1 },
	'no time of issue' => { iat => undef });
foreach my $what (sort keys %wrong)
{
	my %claims = (%keycloak, %{ $wrong{$what} });
	delete @claims{ grep { !defined $claims{$_} } keys %claims };
	like(asks(token($first, %claims)), qr/^401/, $what);
	like(asks(token($first, %claims), 'ping'), qr/^401/, "$what, also where nobody is needed");
}
like(asks(token(undef, %keycloak)), qr/^401/, 'the algorithm none');
like(asks(token($second, %keycloak)), qr/^401/, 'another key');
like(asks(token({ %$second, jwk => $first->{jwk} }, %keycloak)), qr/^401/, 'another key by the name of ours');
like(asks(token($first, %keycloak), 'my_info', { 'Session-Id' => '0ujtsYcgvSTl8PAuAdqWYSMnLOv' }), qr/^400/, 'a session beside it');
like(asks(token($first, %keycloak), 'my_info', { 'Api-Key' => 'mlk_1' }), qr/^400/, 'an API key beside it');
foreach my $role (qw(postgres murallink_owner authenticator murallink_operator), $node->{user} // ())
{
	like(asks(token($first, %keycloak, murallink_role => $role), 'my_info'), qr/^(?:40[013]|500)/, "no token chooses the role $role");
}
like(asks(token($first, %keycloak, role => 'murallink_owner')), qr/^200 ann/, 'the claim role has no meaning');

note 'keys are rotated';
keys_of_postgrest($first, $second);
kill 'USR2', $stack->running('postgrest');
my $by_second = token($second, %keycloak);
Murallink::Stack::poll('the second key', sub { asks($by_second) eq '200 ann@example.com' });
is(asks(token($first, %keycloak)), '200 ann@example.com', 'beside each other');
keys_of_postgrest($second);
kill 'USR2', $stack->running('postgrest');
my $by_first = token($first, %keycloak);
Murallink::Stack::poll('the end of the first key', sub { asks($by_first) =~ /^401/ });
is(asks($by_second), '200 ann@example.com', 'the new one stays');

# Runs statements as a login role, in one transaction, with claims, and returns what the last of them answers, or its error.
sub in_sql
{
	my ($role, @statements) = @_;
	my $database = DBI->connect("dbi:Pg:dbname=murallink;host=${\$node->host};port=${\$node->port}", $role, '',
		{ RaiseError => 1, PrintError => 0, AutoCommit => 0 });
	my $answer = eval {
		my $last;
		foreach (@statements)
		{
			if (/^SELECT/) { $last = $database->selectrow_array($_) // 'null' }
			else { $database->do($_) }
		}
		$last;
	} // $database->errstr;
	$database->rollback;
	$database->disconnect;
	return $answer;
}
sub claims { my (%claims) = @_; my $text = $json->encode(\%claims); return "SELECT set_config('request.jwt.claims', '$text', true)" }
my $me = 'SELECT (murallink.my_info()).email';
my $authenticate = 'SELECT murallink.authenticate()';

note 'claims that a client of SQL sets are nobody\'s';
$stack->sql($_) foreach 'CREATE ROLE analyst LOGIN IN ROLE murallink_analyst, murallink_client', 'CREATE ROLE app LOGIN IN ROLE murallink_client',
	'CREATE ROLE outsider LOGIN IN ROLE murallink_client', 'GRANT authenticator TO app WITH ADMIN OPTION',
	q{SELECT murallink.set_db_role('ann@example.com', 'analyst')};
my %root = (%keycloak, sub => 'root', amr => ['mfa']);
is(in_sql('analyst', claims(%root), $authenticate, $me), 'ann@example.com', 'an analyst stays the analyst');
foreach my $role (qw(app outsider))
{
	like(in_sql($role, claims(%root), $authenticate, $me), qr/a valid session is required/, "$role");
	like(in_sql($role, claims(%root), "SELECT set_config('murallink.sign_on_roles', '$role', false)"), qr/cannot be changed now/, "nor sets $role who is trusted");
}
like(in_sql('app', 'SET ROLE authenticator', claims(%root), $authenticate, $me), qr/a valid session is required|permission denied/, 'not by SET ROLE either');
like(in_sql('app', 'SET SESSION AUTHORIZATION authenticator', claims(%root), $authenticate, $me), qr/permission denied/, 'nor by another session user');
my $anonymous = claims(role => 'web_anon');
is(in_sql('authenticator', 'SET LOCAL ROLE web_anon', claims(%keycloak), $authenticate, $me), 'ann@example.com', 'as PostgREST does it');
is(in_sql('authenticator', 'SET LOCAL ROLE web_anon', claims(%keycloak), $authenticate, claims(%root), $authenticate, $me), 'ann@example.com',
	'what sets the claims later in the request changes nothing');
like(in_sql('authenticator', 'SET LOCAL ROLE web_anon', $anonymous, $authenticate, claims(%root), $authenticate, $me), qr/a valid session is required/,
	'also where there was nobody');
like(in_sql('authenticator', 'SET LOCAL ROLE web_anon', claims(%keycloak, exp => $now - 60), $authenticate, $me), qr/a valid session is required/, 'an expired one');
like(in_sql('authenticator', 'SET LOCAL ROLE web_anon', q{SELECT set_config('request.jwt.claims', '{"iss": "\\\\u0000"}', true)}, $authenticate), qr/a valid session is required/,
	'and one that cannot be read');
foreach my $way ('set_config', 'rpc/set_config')
{
	my ($status) = $client->rpc($way =~ s{rpc/}{}r, { setting_name => 'request.jwt.claims', new_value => $json->encode(\%root), is_local => JSON::PP::true });
	is($status, 404, 'PostgREST exposes nothing that sets them');
}
is(asks(undef, 'my_info', { 'request.jwt.claims' => $json->encode(\%root), 'X-Jwt-Claims' => $json->encode(\%root) }) =~ s/ .*//r, '401', 'nor does a header');

note 'a fresh sign-on, where a trial demands one for approvals';
$stack->sql('CREATE FUNCTION public.fresh() RETURNS boolean LANGUAGE sql SECURITY DEFINER RETURN murallink_private.freshly_signed_on()');
$stack->sql('ALTER FUNCTION public.fresh() OWNER TO murallink_owner');
is(in_sql('authenticator', 'SET LOCAL ROLE web_anon', claims(%keycloak, auth_time => $_->[0]), $authenticate, 'SELECT public.fresh()'), $_->[1], $_->[2])
  foreach [ $now - 10, 1, 'by the time of the sign-on' ], [ $now - 3600, 0, 'which an older one is not, whenever the token was issued' ],
  [ undef, 0, 'nor one that does not say when' ];

note 'an end to it (S2)';
admin_asks(unbind_identity => (identity_uid => $bound->{uid}, note => 'left the sponsor'));
is(asks(token($second, %entra)), $unbound, 'one that is unbound is nobody');
is(asks(token($second, %entra, xms_edov => JSON::PP::true)), $unbound, 'and no address binds it again');
is(admin_asks(unbind_identity => (identity_uid => $bound->{uid}, note => 'x')), 'wrong_status identity_uid', 'once');
is(join(' ', map { $_->{ended_note} // 'bound' } @{ admin_asks(get_identities => (user_uid => $bob)) }), 'left the sponsor', 'the list shows it');
admin_asks(bind_identity => %bob);
is(asks(token($second, %entra)), '200 bob@sponsor.example.com', 'an administrator binds it again');
admin_asks(deactivate_user => (user_uid => $ann, note => 'left'));
is(asks($by_second), $unbound, 'a user who is deactivated is nobody');
admin_asks(reactivate_user => (user_uid => $ann, note => 'back'));
is(asks($by_second), $unbound, 'also later with a token from before');
is(asks(token($second, %keycloak, iat => time + 1)), '200 ann@example.com', 'but with a new one');
admin_asks(close_account => (user_uid => $ann, note => 'left'));
is(asks(token($second, %keycloak, iat => time + 1)), $unbound, 'and not after the account is closed');
is($stack->sql("SELECT count(*) FROM murallink.audit_event WHERE resource_uid = '$bob' AND changes -> 'status_note' ->> 'to' ~ 'identity .* (un)?bound'"), 3,
	'the audit has it');

done_testing();
