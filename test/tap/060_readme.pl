# Every command of the README works, in the order in which it is read, and so does the demo.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IPC::Run qw(run);
use Murallink::Stack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = dirname(__FILE__) . '/../..';
my $readme = slurp_file("$root/README.md");
my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
# The issuer that the README configures is none: no worker may look for it.
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;

# What the README has the reader make is not there before.
my $stack = Murallink::Stack->new(node => $node);
$stack->sql('CREATE DATABASE murallink', 'postgres');

my (@sql, @shell);
while ($readme =~ /^```(sql|sh)\n(.*?)^```$/gms)
{
	push @{ $1 eq 'sql' ? \@sql : \@shell }, $2;
}
cmp_ok(scalar @sql, '>=', 8, 'the README has statements');

my $script = join "\\echo ======\n", @sql;
my ($output, $errors) = ('', '');
run [qw(psql -XAt -v ON_ERROR_STOP=1 -h), $node->host, '-p', $node->port, qw(-U postgres murallink)], '<', \$script, '>',
  \$output, '2>', \$errors;
is($?, 0, 'every statement of the README runs') or diag($errors);
is(scalar(() = $output =~ /^======$/gm), scalar(@sql) - 1, 'in order');
like($output, qr/\|10000\.00\|100\|0\|9900\.00$/m, 'the first payment reserves its funds');
like($output, qr/^approved\|1\|100$/m, 'the analyst sees it');

$stack->start_postgrest;
local $ENV{MURALLINK_URL} = $stack->{url};
foreach my $command (@shell)
{
	my $answer = '';
	run ['sh', '-euc', $command], '>', \$answer, '2>', \$errors;
	is($?, 0, 'a command of the README runs') or diag($errors);
	like($answer, qr/session_id|check mailed to my home address/, 'and answers');
}

note 'what make up and make demo give';
my $dir = tempdir(CLEANUP => 1);
my $command = abs_path("$root/dev");
my $links = q{psql -XAtc 'SHOW murallink.public_url' && printenv MURALLINK_URL};
run ['sh', '-c', qq{cd $dir && $command/stack run sh -c "$command/demo && $links"}], '>', \$output, '2>', \$errors;
is($?, 0, 'the demo runs, with all partners') or diag($errors);
like($output, qr/insured by Bastion.*texts by Relay.*e-mails.*the books agree/s, 'to its end');
like($output, qr{^(http://\S+)\n\1$}m, 'and links lead to where PostgREST is');

note 'its tables';
is(join("\n", sort $readme =~ /^(\| `[a-z_]+` \| \d{3} \| .* \|)$/gm),
	$stack->sql(q{SELECT string_agg(format('| `%s` | %s | %s |', name, http_status, message), E'\n' ORDER BY name COLLATE "C") FROM murallink.errors()}),
	'the errors are those of the source');
my ($functions) = $readme =~ /^## Functions\n(.*?)^## /ms;
my %shown = map { $_ => 1 } map { /`([a-z_]+)`/g } $functions =~ /^\|(.*\|)$/gm;
# What a caller may execute by name, without what policies and the type ksuid need; and what superusers start with.
my $granted = $stack->sql(q{
	SELECT string_agg(DISTINCT proname, ' ' ORDER BY proname)
	FROM pg_proc p, aclexplode(proacl) AS a JOIN pg_roles r ON r.oid = a.grantee
	WHERE pronamespace = 'murallink'::regnamespace AND rolname IN ('murallink_client', 'murallink_operator')
		AND NOT EXISTS (SELECT FROM aclexplode(proacl) AS o JOIN pg_roles n ON n.oid = o.grantee
			WHERE rolname = 'murallink_analyst' AND proname <> 'authenticate')});
is(join(' ', sort keys %shown), join(' ', sort split(/ /, $granted), qw(create_admin gen_ksuid install set_db_role upgrade)),
	'the functions are those of the library');
my ($settings) = $readme =~ /^## Settings\n(.*?)^## /ms;
my %told = map { $_ => 1 } $settings =~ /`(murallink\.[a-z_]+)`/g;
is(join(' ', sort keys %told), $stack->sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM pg_settings WHERE name LIKE 'murallink.%'"),
	'the settings are those of the library');

done_testing();
