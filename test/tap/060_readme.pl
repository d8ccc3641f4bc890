# Every command of the documents works: those for a server of one's own on a new server, the others pasted one after
# the other into the environment of make up. Their tables, links and paths are right, and the demo runs.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IPC::Run qw(run);
use Murallink::Client;
use Murallink::Stack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
# In the order in which README says that they can be pasted.
my @pasted = ('README.md', map { "docs/$_.md" } qw(applications analysts operations partners reference));
my @documents = (@pasted, qw(CONTRIBUTING.md CHANGELOG.md docs/differences.md docs/architecture.md));
my %text = map { $_ => slurp_file("$root/$_") } @documents;

note 'on a server of one\'s own';
my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
# The partners that the documents configure are none: no worker may look for them.
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->sql('CREATE DATABASE murallink', 'postgres');
my @own = map { blocks($_, 'sql install') } @pasted;
cmp_ok(scalar @own, '>=', 3, 'there are statements');
my ($output, $errors) = psql($node, @own);
is($?, 0, 'each runs') or diag($errors);

$stack->start_postgrest;
my $conf = slurp_file("$stack->{dir}/postgrest.conf");
foreach my $line (map { split /\n/ } blocks('docs/applications.md', 'conf postgrest'))
{
	like($conf, qr/^\Q$line\E$/m, "PostgREST runs with $line") unless $line =~ /^db-uri/;
}
is($stack->client->api({ action => 'login', payload => { email => 'ada@example.com', password => 'a long password' } })->{status_code},
	200, 'and the administrator can log in');
my ($bounds) = grep { /authenticator LOGIN/ } @own;
is_deeply([ $bounds =~ /^ALTER ROLE authenticator SET (.*);$/gm ], \@Murallink::Stack::bounds, 'the stack has the documented time-outs');

my @conf = map { blocks($_, 'conf postgresql') } @pasted;
cmp_ok(scalar @conf, '>=', 2, 'there are lines of postgresql.conf');
$node->append_conf('postgresql.conf', join '', @conf);
is($stack->sql("SELECT string_agg(concat_ws(' ', sourceline, name, error), E'\\n') FROM pg_file_settings WHERE error <> 'setting could not be applied'"), '',
	'which the server takes');
is($stack->sql("SELECT bool_and(applied) FROM pg_file_settings WHERE name LIKE 'murallink.sign_on%'"), 't', 'also those of sign-on');

note 'in the environment of make up';
my $dir = abs_path(tempdir(CLEANUP => 1));
my $tree = "$dir/tree";

END
{
	local $?;
	system('make', '-s', '-C', $tree, 'down') if $tree && -l "$tree/build/up";
}
mkdir $tree;
local $ENV{MURALLINK_TMP} = $dir;
my @tar = ('tar', '-c', '--exclude=./.git', '--exclude=./build', '--exclude=./tmp', '--exclude=./pg', '--exclude=./locales',
	'-C', $root, '.', map { "build/$_" } qw(sandbox postgrest postgrest-js libphonenumber standardwebhooks typescript nginx
	browser));
run \@tar, '|', [ 'tar', '-x', '-C', $tree ], '2>', \$errors;
is($?, 0, 'a copy of the tree') or diag($errors);
my ($up) = blocks('README.md', 'sh up');
my @sql = map { blocks($_, 'sql') } @pasted;
cmp_ok(scalar @sql, '>=', 15, 'there are statements');
run [ 'sh', '-euc', "cd $tree\n$up" ], '<', \script(@sql), '>', \$output, '2>', \$errors;
is($?, 0, 'each runs') or diag($errors);
is(scalar(() = $output =~ /^======$/gm), scalar @sql, 'in order');
like($output, qr/\|10000\.00\|100\|0\|9900\.00$|\|10000\.00\|0\|100\|9900\.00$/m, 'the first payment reserves its funds');
like($output, qr/^100\|USD\|(approved|processing|paid)$/m, 'is sent');
like($output, qr/^(approved|processing|paid)\|1\|100$/m, 'and the analyst sees it');

my %environment = slurp_file("$tree/build/up/env") =~ /^export (\w+)='(.*)'$/gm;
{
	local @ENV{ keys %environment } = values %environment;
	foreach my $command (map { blocks($_, 'sh') } @pasted)
	{
		my $answer = '';
		run [ 'sh', '-euc', "cd $tree\n$command" ], '>', \$answer, '2>', \$errors;
		is($?, 0, 'a command runs') or diag($errors);
		like($answer, qr/session_id|check mailed to my home address|\A\[/, 'and answers');
	}
	my $made = Murallink::Stack->new(dir => $ENV{PGHOST}, leave => 1);
	Murallink::Stack::poll('the payment', sub { $made->sql('SELECT status FROM murallink.payment') eq 'paid' });
	my $client = Murallink::Client->new(url => $ENV{MURALLINK_URL}, sandbox_url => $ENV{SANDBOX_URL});
	is(join(' ', map { $_->{amount} } @{ $client->sandbox('ledger?kind=load') }), '100.00', 'the payment is on the card');
	foreach ([ python => qr/\A5420 USD 100\n\z/, '/usr/bin/python3', '-' ], [ r => qr/currency/, 'Rscript', '-' ])
	{
		my ($language, $shown, @with) = @$_;
		run \@with, '<', \join('', blocks('docs/analysts.md', $language)), '>', \my $answer, '2>', \$errors;
		like($answer, $shown, "$language finds the payment") or diag($errors);
	}
	is($made->sql('SELECT count(*) FROM murallink.verify_ledger()'), 0, 'the books agree');
	is($made->sql('SHOW murallink.public_url'), $ENV{MURALLINK_URL}, 'and links lead to where PostgREST is');
	like(($client->request('GET', "$ENV{APP_URL}/"))[1], qr/<title>Trial payments</, 'the example app is there');
	run [ 'make', '-s', '-C', $tree, 'down' ], '>', \$output, '2>', \$errors;
	is($?, 0, 'make down') or diag($errors);
	ok(!-e "$tree/build/up", 'stops it');
	is(HTTP::Tiny->new->get("$ENV{APP_URL}/")->{status}, 599, 'and the app');
}

note 'what make demo gives';
my $command = "$root/dev";
run [ 'sh', '-c', "mkdir $dir/demo && cd $dir/demo && $command/stack run $command/demo" ], '>', \$output, '2>', \$errors;
is($?, 0, 'the demo runs, with all partners') or diag($errors);
like($output, qr/insured by Bastion.*texts by Relay.*e-mails.*the books agree/s, 'to its end');

note 'tables';
my $reference = $text{'docs/reference.md'};
is(join("\n", sort $reference =~ /^(\| `[a-z_]+` \| `PT\d{3}` \| .* \|)$/gm),
	$stack->sql(q{SELECT string_agg(format('| `%s` | `%s` | %s |', name, sqlstate, message), E'\n' ORDER BY name COLLATE "C") FROM murallink.errors()}),
	'the errors are those of the source');
my %shown = map { $_ => 1 } map { /`([a-z_]+)`/g } section($reference, 'Functions') =~ /^\|(.*\|)$/gm;
is(join(' ', sort keys %shown), $stack->sql(q{
	SELECT string_agg(DISTINCT proname::text, ' ' ORDER BY proname::text) FROM pg_proc
	WHERE pronamespace = 'murallink'::regnamespace AND proname !~ '^(ksuid|day|moment)_'
	AND NOT EXISTS (SELECT FROM pg_class WHERE reltype = proargtypes[0] AND relkind <> 'c')}),
	'the functions are all those of the schema that PostgREST exposes, except what types and relations need');
my $actions = join '', grep { !/^\| (?:operators|analysts|superusers|callers|Dash)/ } section($reference, 'Functions') =~ /^(\|.*\|)$/gm;
my %documented = map { $_ => 1 } split /\n/, $stack->sql(q{
	SELECT proname FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace
	AND (obj_description(oid, 'pg_proc') ~ '\(document: ' OR proname IN ('contract_document', 'report'))});
my ($additional) = $text{'docs/differences.md'} =~ /^(- Additional actions: .*?\.)$/ms;
is(join(' ', $additional =~ /`(\w+)`/g), join(' ', grep { !$documented{$_} } sort $actions =~ /`(\w+)`/g),
	'the additional actions are those that no document describes');
my %told = map { $_ => 1 } section($reference, 'Settings') =~ /`(murallink\.[a-z_]+)`/g;
is(join(' ', sort keys %told), $stack->sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM pg_settings WHERE name LIKE 'murallink.%'"),
	'the settings are those of the library');
my $runbook = section($text{'docs/operations.md'}, 'What needs a person');
my @quoted = slurp_file("$root/sql/worker/data/needs_person.sql") =~ /'(?: or )?([a-z_]+(?: or [a-z_]+)*)'/g;
# The functions for embedding have the names of tables, as kinds have.
my %embeds = map { $_ => 1 } map { /`([a-z_]+)`/g } section($reference, 'Functions') =~ /^(\| analysts and applications, for .*)$/m;
my %helps = map { $_ => 1 } grep { $shown{$_} && !$embeds{$_} } map { split / or / } @quoted;
cmp_ok(scalar keys %helps, '>', 10, 'needs_person has remedies');
is(join(' ', grep { $runbook !~ /`$_`/ } sort keys %helps), '', 'and the runbook has them all');
my %permission = map { $_ => 1 } split /\n/, $stack->sql('SELECT unnest(enum_range(NULL::murallink.permission))');
my ($recipes) = $reference =~ /^(\| role \| granted on .*?)\n\n/ms;
my @recipes = $recipes =~ /^\|[^|]*\|[^|]*\|(.*)\|$/gm;
is(join(' ', grep { !$permission{$_} } map { /`(\w+)`/g } @recipes), '', 'the recipes grant permissions that there are');
foreach my $source (glob "$root/src/partners/*.c")
{
	my $code = slurp_file($source);
	my ($partner) = $code =~ /^const Partner \w+ = \{\s*\.name = "(\w+)"/m or next;
	my $title = { smtp => 'SMTP', paypal => 'PayPal' }->{$partner} // join ' ', map { ucfirst } split /_/, $partner;
	my ($described) = $text{'docs/partners.md'} =~ /^### \Q$title\E\n(.*?)^##/ms;
	foreach my $kind (qw(settings secrets))
	{
		my ($names) = $code =~ /^static const PartnerSetting $kind\[\] = \{(.*?)^\};/ms;
		my ($table) = $described =~ /^(\| ${\($kind =~ s!s$!!r)} .*?)^$/ms;
		my @columns = map { (split / *\| */)[1] } split /\n/, $table;
		is(join(' ', sort map { /`(\w+)`/g } @columns), join(' ', sort $names =~ /\.name = "(\w+)"/g), "the $kind of $partner");
	}
}

note 'links and paths';
foreach my $document (@documents)
{
	my $prose = $text{$document} =~ s/^```.*?^```$//gmsr;
	my @wrong;
	while ($prose =~ /\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)
	{
		my ($path, $anchor) = ($1, $2);
		my $target = $path eq '' ? "$root/$document" : "$root/" . dirname($document) . "/$path";
		push @wrong, $path and next unless -e $target;
		push @wrong, "$path#$anchor" if defined $anchor && !grep { $_ eq $anchor } anchors(slurp_file($target));
	}
	is("@wrong", '', "the links of $document lead somewhere");
	my $added = $document eq 'docs/partners.md' ? qr/signet/ : qr/(?!)/;
	my @paths = $prose =~ m{`((?:src|sql|test|dev|docs|expected)/[\w./]*\w)`}g;
	is(join(' ', grep { !-e "$root/$_" && !/$added/ } @paths), '', 'and its paths exist');
}

done_testing();

# The blocks of a document that are marked so.
sub blocks
{
	my ($document, $mark) = @_;
	return $text{$document} =~ /^```\Q$mark\E\n(.*?)^```$/gms;
}

# Statements for psql that stops at the first error, with a line after each block.
sub script
{
	return join '', "\\set ON_ERROR_STOP on\n\\pset format unaligned\n\\pset tuples_only on\n", map { "$_\\echo ======\n" } @_;
}

# Runs statements as superuser on a server, and returns the output and the errors.
sub psql
{
	my ($server, @statements) = @_;
	my ($out, $err);
	run [ qw(psql -X -h), $server->host, '-p', $server->port, qw(-U postgres murallink) ], '<', \script(@statements), '>', \$out,
		'2>', \$err;
	return ($out, $err);
}

# A section of a document, up to the next.
sub section
{
	my ($document, $title) = @_;
	return ($document =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms)[0];
}

# The anchors that GitHub makes of the headings of a document.
sub anchors
{
	my ($document) = @_;
	return map { lc s/[^\w\- ]//gr =~ tr/ /-/r } $document =~ /^#+ (.*)$/gm;
}
