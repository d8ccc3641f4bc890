# What is entered in a database of one locale is restored in one of another, whole, and means the same there. Whether two
# texts name the same thing is decided by no locale.

use strict;
use warnings;


use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my @locales = ('C', 'C.UTF-8', 'en_US.UTF-8', 'tr_TR.UTF-8');
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $stack = Murallink::Stack->new(dir => $dir, locale => 'tr_TR.UTF-8');
$stack->start_server("murallink.databases = ''\nmurallink.login_max_failures = 1000\n");


# Each of these is one mailbox; that some letter of another alphabet becomes one of it is no reason to send there.
my @mailboxes = ('INFO@EXAMPLE.COM', 'Iris@Example.com', 'quick@example.com');
my @strangers = ("\x{130}ris\@example.com", "quic\x{212A}\@example.com", "\x{DC}ber\@example.com", "\x{131}nfo\@example.com",
	"iri\x{17F}\@example.com");
my $password = 'correct horse battery staple';

foreach my $from (@locales)
{
	note "entered in $from";
	database($from, $from);
	$stack->sql('CREATE EXTENSION murallink; SELECT murallink.install()', $from);
	enter($from);
	is_deeply([ map { login($from, $_) } map { lc $_, uc $_ } @mailboxes ], [ ('t') x 6 ], 'each logs in, in any case');
	my $known = counts($from);
	shell("pg_dump -h $dir -U postgres -Fc -f $dir/dump '$from'");
	foreach my $to (grep { $_ ne $from } @locales)
	{
		my $name = "$from to $to";
		database($name, $to);
		eval { shell("pg_restore -h $dir -U postgres --exit-on-error -d '$name' $dir/dump"); 1 } or diag $@;
		is_deeply(counts($name), $known, "$name: all is restored");
		is_deeply([ map { login($name, $_) } map { lc $_, uc $_ } @mailboxes ], [ ('t') x 6 ], "$name: each logs in");
		$stack->sql("DROP DATABASE \"$name\"", 'postgres');
	}
}

note 'a locale of ICU, in which the digits of all scripts are digits';
$stack->sql("CREATE DATABASE icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'tr' LOCALE 'C.UTF-8'", 'postgres');
$stack->sql('CREATE EXTENSION murallink; SELECT murallink.install()', 'icu');
enter('icu');
is_deeply([ map { login('icu', $_) } map { lc $_, uc $_ } @mailboxes ], [ ('t') x 6 ], 'each logs in, in any case');
is($stack->sql(<<'EOC', 'icu'), 'none|610555', 'a number in other digits is none that a partner takes');
SELECT coalesce(params ->> 'address', 'none'), murallink_private.phone_or_digits(U&'\0663 610-555')
FROM murallink_private.inside_rx_membership('{"patient_uid": "x", "first_name": "x", "last_name": "x", "email": "", "phone": "", "address": {
    "street1": "x", "state": "VA", "post_code": "\u0662\u0663\u0666\u0667\u0660"}}', '{}', '{"group": "x"}', true, NULL)
EOC

note 'another encoding than UTF-8';
$stack->sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'", 'postgres');
my $refused = `psql -XqAt -h $dir -U postgres -d latin -c 'CREATE EXTENSION murallink' 2>&1`;
like($refused, qr/^ERROR:  murallink needs a database with the encoding UTF8/, 'is refused');

done_testing();

sub database
{
	my ($name, $locale) = @_;
	return $stack->sql("CREATE DATABASE \"$name\" TEMPLATE template0 LOCALE '$locale'", 'postgres');
}

# Something of each kind that has a text which identifies it, with letters that locales treat differently.
sub enter
{
	my ($database) = @_;
	my $run = sub { eval { my $s = $_[0]; utf8::encode($s); $stack->sql($s, $database) } };
	$run->(Murallink::Stack::call('create_admin', $_, $password, 'Ada', 'Admin')) // fail "no $_" foreach @mailboxes;
	foreach my $address (@strangers)
	{
		$run->(Murallink::Stack::call('register', $address, $password, 'Sam', 'Stranger'));
		$run->("INSERT INTO murallink.patient (first_name, last_name, email) VALUES ('S', 'T', '$address')");
		$run->("INSERT INTO murallink.app_user (email) VALUES ('$address')");
		$run->("INSERT INTO murallink.client (name, contact_email) VALUES ('Client', '$address')");
	}
	$run->(<<"EOC") // fail 'a world';
INSERT INTO murallink.client (name, contact_email) VALUES ('\x{130}STANBUL', 'office\@example.com');
INSERT INTO murallink.sponsor (client_uid, name)
SELECT uid, s FROM murallink.client, unnest('{\x{130}ris,Iris,\x{3A3}\x{391}\x{3A3},\x{DC}ber}'::text[]) s WHERE name = '\x{130}STANBUL';
INSERT INTO murallink.patient (first_name, last_name, email)
SELECT n, n || ' \x{130}I\x{131}i', 'iris\@example.com' FROM unnest('{\x{130}ris,I\x{131}\x{131}k,\x{3A3}\x{391}\x{3A3},\x{AB}x\x{BB}}'::text[]) n;
INSERT INTO murallink.caregiver (patient_uid, first_name, last_name, email)
SELECT uid, first_name, last_name, email FROM murallink.patient WHERE email = 'iris\@example.com';
EOC
	is($run->(q{SELECT string_agg(email, ' ' ORDER BY email COLLATE "C") FROM murallink.app_user WHERE user_role = 'admin'}),
		'info@example.com iris@example.com quick@example.com', 'addresses are kept as they are');
	is($run->(q{SELECT count(*) FROM murallink.app_user}), 3, 'nobody registers as one who looks like another');
	is($run->(q{SELECT count(*) FROM murallink.patient WHERE first_name = 'S'}), 0, 'nor becomes a patient');
	return;
}

sub login
{
	my ($database, $email) = @_;
	my $call = Murallink::Stack::call('login', $email, $password);
	return eval { $stack->sql(qq{SELECT session_id <> '' FROM ($call AS l) AS x, LATERAL (SELECT (l).session_id) AS y}, $database) };
}

# How many rows each table has.
sub counts
{
	my ($database) = @_;
	my %counts = map { split /\|/ } split /\n/, $stack->sql(<<'EOC', $database);
SELECT c.oid::regclass, (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM ' || c.oid::regclass, false, true, '')))[1]
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('murallink', 'murallink_private')
AND c.relname NOT IN ('session', 'login_attempt')
EOC
	return \%counts;
}

sub shell
{
	my ($command) = @_;
	my $output = `$command 2>&1`;
	die "failed: $command\n$output" if $?;
	return;
}
