# Secrets of partners, and passwords: whoever looks, in the log, in the statements of others, in dumps, in the audit and in the tables,
# finds them nowhere but in partner_secret, which its owner alone reads; and nobody is sent them who is not vouched for.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use Murallink::Payouts;
use Test::More;

use constant { CANARY => 'Canary-4711-Ostrich', SHOWN => '<statement with secrets>' };

my $payouts = Murallink::Payouts->new(conf => "shared_preload_libraries = 'pg_stat_statements, auto_explain, murallink'\n",
	settings => { look_up => JSON::PP::false });
my $stack = $payouts->stack;
my ($dir, $url) = @$stack{qw(dir sandbox_url)};
my $settings = '{"customer_id": 12345, "cust_prog_id": 987654, "funding_id": 54850, "look_up": false}';
my $secrets = '{"username": "murallink", "password": "' . CANARY . '"}';
my $right = "SELECT murallink.configure_partner('dash', '$url', '$settings', '$secrets')";

$payouts->sql('CREATE EXTENSION pg_stat_statements SCHEMA public');
$payouts->sandbox('POST', 'settings', { 'dash.password' => CANARY });
$payouts->patients(2);

note 'statements, right and wrong, as they are logged by default and when all is logged';
my %wrong = (
	'insecure URL' => $right =~ s/http:/ftp:/r,
	'unknown key' => $right =~ s/"password"/"passwort"/r,
	'no JSON' => $right =~ s/"}'\)/"'\)/r,
	'no end' => $right =~ s/'\)$//r,
	'another column' => "$right AS a, nothing",
	'no such function' => $right =~ s/configure_partner/CONFIGURE_PARTNERS/r,
	'cast' => "SELECT '$secrets'::integer, murallink.configure_partner('dash')",
	'in a DO' => "DO \$\$ BEGIN PERFORM murallink.configure_partner('dash', 'ftp:', '{}', '$secrets'); END \$\$",
	'prepared' => "PREPARE set_up(jsonb) AS SELECT murallink.configure_partner('dash', 'ftp://x', '{}', \$1); EXECUTE set_up('$secrets')",
	'by nobody' => "SET ROLE murallink_analyst; $right",
);
$payouts->sql(<<'EOC');
CREATE FUNCTION public.set_up(secrets jsonb, url text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM murallink.configure_partner('dash', url, '{}', secrets);
END
$$
EOC
my @all = (log_statement => 'all', log_min_duration_statement => 0, log_duration => 'on', log_lock_waits => 'on',
	log_parameter_max_length_on_error => -1, debug_print_parse => 'on', log_error_verbosity => 'verbose');
foreach my $how ([ 'by default' ], [ 'all is logged', @all ])
{
	my ($name, %settings) = @$how;
	$payouts->set(%settings, deadlock_timeout => '100ms');
	$payouts->sql('SELECT 1');
	$payouts->sql($right);
	# What calls it by another name is known only once it has called it, or cannot.
	local @wrong{ 'in a function of the user', 'by another name' } = ("SELECT public.set_up('$secrets', 'ftp://x')",
		"DO \$\$ BEGIN EXECUTE 'SELECT ''$secrets''::integer, murallink.configure_' || 'partner(''dash'')'; END \$\$") unless %settings;
	foreach my $what (sort keys %wrong)
	{
		$payouts->quietly(sub { ok(!eval { $payouts->sql($wrong{$what}); 1 }, "$name: $what is refused") });
	}
	with_parameters($url);
	with_parameters('ftp://x');

	note 'passwords';
	foreach my $statement (passwords(!%settings))
	{
		$payouts->quietly(sub { eval { $payouts->sql($statement) } });
	}

	note 'the statement of a session that waits';
	# It waits for as long as it takes to see that.
	$payouts->sql('ALTER FUNCTION murallink.configure_partner SET lock_timeout = 0');
	my $holder = $payouts->session('BEGIN; LOCK TABLE murallink_private.partner');
	open my $psql, '|-', "psql -XqAt -h $dir -U postgres -o /dev/null murallink 2> /dev/null" or die "psql: $!\n";
	$psql->autoflush;
	print $psql "SET application_name = 'secretive'; SELECT 1;\n$right;\n";
	$payouts->wait_for(q{SELECT bool_or(wait_event_type = 'Lock') FROM pg_stat_activity WHERE application_name = 'secretive'});
	is(statement(), SHOWN, "$name: is not shown");
	close $holder;
	$payouts->wait_for(q{SELECT bool_or(state = 'idle') FROM pg_stat_activity WHERE application_name = 'secretive'});
	is(statement(), SHOWN, 'nor when it has ended');
	print $psql "SELECT 2;\n";
	$payouts->wait_for(q{SELECT bool_or(query = 'SELECT 2;') FROM pg_stat_activity WHERE application_name = 'secretive'});
	close $psql;
}
is($payouts->sql("SELECT user_role FROM murallink.login('canary\@example.com', '${\CANARY}')"), 'admin', 'a password is set');

note 'names in capitals, where the small letter of I is another one';
$payouts->sql("CREATE DATABASE turkish TEMPLATE template0 LOCALE 'tr_TR.UTF-8'");
foreach my $statement (map { s/(murallink\.\w+)/\U$1/r } $right, "SELECT murallink.login('x', '${\CANARY}')",
	"SELECT murallink.create_admin('x', '${\CANARY}', 'y', 'z')", "SELECT murallink.authenticate('${\CANARY}')")
{
	$payouts->quietly(sub { ok(!eval { $stack->sql($statement, 'turkish'); 1 }, (split /\(/, $statement)[0] . ' is refused') });
}
my @log = $stack->log_of('postgresql');
is_deeply([ grep { index($_, CANARY) >= 0 } @log ], [], 'the log has no secret');
cmp_ok(scalar(grep { /a statement is not shown/ } @log), '>', 2 * keys %wrong, 'but says that there were some');
cmp_ok(scalar(grep { /LOG: .*statement: SELECT 1$/ } @log), '>', 0, 'and what else there was');
$payouts->sql("ALTER SYSTEM RESET $_") foreach keys %{ {@all} };
$payouts->set(deadlock_timeout => '1s');
is($payouts->sql('SELECT count(*) FROM pg_stat_statements WHERE query ~ \'' . CANARY . q{' AND query !~ '^(DO|EXECUTE|PREPARE)'}), 0,
	'no statistics have a secret');

note 'the tables, the audit and dumps';
$payouts->approve(4);
$payouts->wait_settled;
is($payouts->counts, '4 done', 'the secret is used');
my @tables = split /\n/, $payouts->sql(q{SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace::regnamespace::text ~ '^murallink'});
is_deeply([ grep { $payouts->sql(qq{SELECT count(*) FROM $_ AS t WHERE t::text ~ '${\CANARY}'}) } @tables ],
	['murallink_private.partner_secret'], 'one table alone has secrets');
is(scalar(grep { index($_, CANARY) >= 0 } `pg_dump -h $dir -U postgres -n $_ murallink`), 0, "a dump of $_ has none") foreach qw(murallink public);
cmp_ok(scalar(grep { index($_, CANARY) >= 0 } `pg_dump -h $dir -U postgres murallink`), '>', 0, 'unlike a dump of all');

note 'accounts of payees, by each door, while all is logged; also what is refused, and what shows values if anything does';
$stack->make_key->start_postgrest;
my $account = lc(CANARY) . '@example.org';
my ($patient, $trial) = split /\|/, $payouts->sql('SELECT patient_uid, trial_uid FROM murallink.enrollment LIMIT 1');
my $paypal = $payouts->sql(q{SELECT uid FROM murallink_private.payment_type WHERE name = 'PayPal'});
$payouts->set(@all, 'auto_explain.log_min_duration' => 0, 'auto_explain.log_nested_statements' => 'on', 'auto_explain.log_verbose' => 'on');
my $client = $stack->client;
my $session = $client->api({
	action => 'login', payload => { email => $stack->{admin_email}, password => $stack->{admin_password} } })->{payload}{session_id};
my %entry = (patient_uid => $patient, trial_uid => $trial, payment_type_uid => $paypal, account => { email => $account });
my @entries = (\%entry, { %entry, account => { email => "no $account" } }, { %entry, account => { email => $account, more => $account } },
	{ %entry, account => $account }, { %entry, trial_uid => $patient }, { %entry, trial_uid => 'x' }, { %entry, payment_type_uid => undef });
foreach my $entry (@entries)
{
	my $payload = { %$entry };
	my $answer = $client->api({ action => 'set_payment_type', session_id => $session, idempotency_key => 'canary', payload => $payload });
	unlike(encode_json($answer), qr/ostrich/i, 'the answer does not repeat it');
	my ($status, $body) = $client->rpc('set_payment_type', $payload, { 'Session-Id' => $session });
	unlike($body, qr/ostrich/i, 'nor does that of the function') if $status != 200 || $entry == \%entry;
	my $sql = join ', ', map { my $value = $entry->{$_}; "$_ => " . (ref $value || $_ eq 'account' ? "'" . JSON::PP->new->allow_nonref->encode($value) . "'" : defined $value ? "'$value'" : 'NULL') }
	  sort keys %$entry;
	$payouts->quietly(sub { eval { $payouts->sql("BEGIN; SELECT murallink.authenticate('$session'); SELECT murallink.set_payment_type($sql); COMMIT") } });
}
is($payouts->sql(q{SELECT count(*), min(shown) FROM murallink_private.payout_account}), '1|c***@example.org', 'an account is entered, once');
$payouts->sql("ALTER SYSTEM RESET $_") foreach keys %{ {@all} }, map { "auto_explain.log_$_" } qw(min_duration nested_statements verbose);
$payouts->set(deadlock_timeout => '1s');
is_deeply([ grep { /ostrich/i } $stack->log_of('postgresql') ], [], 'the log has nothing of it');
cmp_ok(scalar(grep { /plan:|Query Text/ } $stack->log_of('postgresql')), '>', 0, 'but plans');
is($payouts->sql(q{SELECT count(*) FROM pg_stat_statements WHERE query ~* 'ostrich' AND query !~ '^(DO|EXECUTE|PREPARE)'}), 0, 'nor have statistics');
@tables = grep { $_ ne 'murallink_private.partner_secret' } @tables;
is_deeply([ grep { $payouts->sql(qq{SELECT count(*) FROM $_ AS t WHERE t::text ~* 'ostrich'}) } @tables ], [], 'no table has it');
is(scalar(grep { /\Q$account\E/i } `pg_dump -h $dir -U postgres murallink`), 0, 'nor has a dump');

note 'a dump is restored where the key is not';
rename "$dir/payout_keys", "$dir/kept_keys" or die $!;
Murallink::Stack::run('sh', '-c', "createdb -h $dir -U postgres restored && pg_dump -h $dir -U postgres murallink | psql -XqAt -v ON_ERROR_STOP=1 -h $dir -U postgres restored > $dir/restored.log");
is($stack->sql('SELECT accounts, in_file FROM murallink.payout_keys()', 'restored'), '1|f', 'nothing can be opened there');
$stack->sql("SELECT murallink.set_db_role('$stack->{admin_email}', 'postgres')", 'restored');
is($stack->sql("SELECT account_shown FROM murallink.set_payment_type('$paypal', '$trial', '$patient', '{\"email\": \"other\@example.org\"}')", 'restored'),
	'o***@example.org', 'but entered');
is($stack->sql('SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM murallink_private.payout_account', 'restored'), '2|1', 'and changed');
rename "$dir/kept_keys", "$dir/payout_keys" or die $!;

note 'the worker opens it, and nobody else';
$payouts->sql(q{UPDATE murallink_private.payment_type SET partner = 'dash' WHERE name = 'PayPal'});
rename "$dir/payout_keys", "$dir/kept_keys" or die $!;
my ($unsealed) = $payouts->approve(1, $patient);
is($payouts->state_of($unsealed), 'waiting approved account_new', 'not at once, because the patient was paid by card before');
$payouts->sql('UPDATE murallink_private.payout_account SET usable_from = now()');
$payouts->wait_for("SELECT reason ~ '^no_key: ' AND status = 'ready' FROM murallink.payout WHERE uid = '$unsealed'");
is($payouts->sql("SELECT remedy FROM murallink.needs_person WHERE uid = '$unsealed'"), 'murallink.key_file', 'not where the file is not, as a person is told');
rename "$dir/kept_keys", "$dir/payout_keys" or die $!;
# Dash has no such call: it is opened, and cannot be built.
$payouts->wait_for("SELECT reason = 'the request could not be built' FROM murallink.payout WHERE uid = '$unsealed'");
is_deeply([ grep { /ostrich/i } $stack->log_of('postgresql') ], [], 'and says nothing of it');
is($payouts->sql(q{SELECT count(*) FROM murallink_private.call_attempt a WHERE a::text ~* 'ostrich'}), 0, 'to anybody');
# By card again, as the others.
$payouts->sql("UPDATE murallink.enrollment SET payment_type_uid = NULL WHERE patient_uid = '$patient'");
$payouts->wait_settled;
is($payouts->state_of($unsealed), 'done paid', 'and is paid in another way instead');

note 'who reads them';
$payouts->sql('CREATE ROLE stranger; CREATE ROLE reader IN ROLE pg_read_all_data');
foreach my $role (qw(stranger murallink_client murallink_analyst murallink_operator web_anon authenticator))
{
	is($payouts->sql("SELECT has_table_privilege('$role', 'murallink_private.partner_secret', 'SELECT, INSERT, UPDATE, DELETE')"),
		'f', "$role has no privilege");
	$payouts->quietly(sub {
		ok(!eval { $payouts->sql("SET ROLE $role; SELECT * FROM murallink_private.partner_secret"); 1 }, 'and is refused');
	});
}
is($payouts->sql('SET ROLE reader; SELECT count(*) FROM murallink_private.partner_secret'), 0, 'who may read everything sees no row');

note 'an issuer that repeats what it is told';
my $echo = encode_json({ status => 'failure', message => 'user murallink may not, with ' . CANARY });
$payouts->fault(when => 'before', action => 'answer', status => 400, body => $echo, count => 1);
my ($declined) = $payouts->approve(1);
$payouts->wait_settled;
is($payouts->state_of($declined), 'declined failed HTTP 400: user ********* may not, with ' . '*' x length CANARY, 'is not believed a word');
$payouts->fault(when => 'before', action => 'answer', status => 400, count => 1,
	body => encode_json({ status => 'failure', message => 'x' x 235 . CANARY }));
my ($long) = $payouts->approve(1);
$payouts->wait_settled;
unlike($payouts->state_of($long), qr/Canary/, 'nor half of it');
is($payouts->sql(q{SELECT count(*) FROM (SELECT c::text AS kept FROM murallink_private.call c UNION ALL SELECT a::text FROM murallink_private.call_attempt a) k WHERE kept ~ 'Canary'}), 0, 'and what it said is kept without');
$payouts->fault(operation => 'dash.*', when => 'before', action => 'answer', status => 401, body => $echo);
$payouts->approve(1);
$payouts->wait_for(q{SELECT last_error ~ 'may not' AND failures > 1 FROM murallink.worker_status()});
unlike($payouts->sql('SELECT * FROM murallink.worker_status()'), qr/Canary/, 'nor at the login');
$payouts->no_fault;
$payouts->wait_settled;

note 'a server that nobody vouches for is not told';
my $port = Murallink::Stack::free_port();
Murallink::Stack::run('sh', '-c', "cd $dir && exec openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1"
	  . ' -addext subjectAltName=IP:127.0.0.1 -keyout tls.key -out tls.crt 2> tls.err');
$stack->spawn('tls', qw(openssl s_server -quiet -cert tls.crt -key tls.key -accept), "127.0.0.1:$port");
Murallink::Stack::poll('the TLS server', sub { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") });
$payouts->sql($right =~ s/\Q$url\E/https:\/\/127.0.0.1:$port/r);
$payouts->approve(1);
$payouts->wait_for(q{SELECT last_error ~ 'certificate' FROM murallink.worker_status()});
$payouts->wait_looks;
unlike(join('', $stack->log_of('tls')), qr/Canary|POST/, 'it has received nothing');
kill 'TERM', $stack->running('tls');
$payouts->sql($right);
$payouts->wait_settled;
is(scalar(grep { index($_, CANARY) >= 0 } $stack->log_of('postgresql')), 0, 'nothing of it is in the log');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# Statements with passwords, right and wrong; also one that cannot be known before it calls a function that takes one.
sub passwords
{
	my ($by_another_name) = @_;
	my ($mail, $admin) = ('canary@example.com', "SELECT murallink.authenticate((SELECT session_id FROM murallink.login("
		  . "'$stack->{admin_email}', '$stack->{admin_password}')));");
	my ($password, $uid) = (CANARY, "(SELECT uid FROM murallink.app_user WHERE email = '$mail')");
	return (
		"SELECT murallink.create_admin('$mail', '$password', 'Can', 'Ary')",
		"SELECT murallink.create_admin('none', '$password', 'Can', 'Ary')",
		"SELECT murallink.register('$mail', '$password', 'Can', 'Ary')",
		"SELECT murallink.login('$mail', '$password')",
		"SELECT * FROM \"murallink\".\"login\" (\"email\" := 'nobody', \"password\" := '$password')",
		"SELECT murallink.login('$mail', '$password'::integer)",
		"SELECT murallink.login('$mail', '$password', nothing)",
		"DO \$\$ BEGIN PERFORM murallink.login('', '$password'); END \$\$",
		"DO \$\$ BEGIN EXECUTE 'SELECT murallink.log' || 'in(''$mail'', ''$password''), 1 / 0'; END \$\$" x $by_another_name,
		"$admin SELECT murallink.change_password('$password'); SELECT murallink.change_password('$stack->{admin_password}')",
		"SELECT murallink.change_password('$password')",
		"$admin SELECT murallink.change_user_password($uid, '$password')",
		"SELECT murallink.change_user_password($uid, '$password')",
		"$admin SELECT murallink.update_user($uid, password => '$password')",
		"SELECT murallink.update_user($uid, password => '$password')",
		"SELECT murallink.reset_password('$mail', '$password', '12345678')",
		"SELECT murallink.reset_password('$mail', '$password', NULL)",
		map({ "SELECT murallink.api('" . encode_json({ action => $_, payload => { email => $mail, password => $password, new_password => $password } }) . "')" }
			qw(login register reset_password change_password update_user)),
		"SELECT murallink.api(jsonb_build_object('action', 'login', 'payload', jsonb_build_object('email', '$mail', 'password', '$password')))",
		"PREPARE log_in(text) AS SELECT murallink.login('$mail', \$1); EXECUTE log_in('$password')",
		"SELECT murallink.bastion_event('{\"accessKey\": \"$password\"}')",
	);
}

# Runs the function with its arguments as parameters.
sub with_parameters
{
	my ($to) = @_;
	my $script = "$dir/parameters.sql";
	open my $file, '>', $script or die "$script: $!\n";
	print $file "SELECT murallink.configure_partner('dash', :to, (:settings)::jsonb, (:secrets)::jsonb);\n";
	close $file;
	my @pgbench = (qw(pgbench -n -t 1 -M extended -h), $dir, qw(-U postgres -f), $script, '-D', "to=$to", '-D', "settings=$settings",
		'-D', "secrets=$secrets", 'murallink');
	return $payouts->quietly(sub { eval { Murallink::Stack::run(@pgbench) } });
}

sub statement
{
	return $payouts->sql(q{SELECT query FROM pg_stat_activity WHERE application_name = 'secretive'});
}
