# docs/analysts.md has the picture of the tables; docs/architecture.md has the triggers that there are, in the order in which they fire, and the steps of a call, and README the
# steps of a payment; and each situation of test/situations.md is in the tests that it names.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
my $node = Murallink::Node->new('architecture');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;

note 'the map of triggers';
# PostgreSQL fires the triggers of one moment in the order of their names' bytes.
my $map = $stack->sql(<<'EOC');
SELECT string_agg(row, E'\n' ORDER BY relname, moment)
FROM (
    SELECT relname, moment, format('| `%s` | %s | %s |', relname,
        (ARRAY['before the statement', 'before each row', 'after each row', 'after the statement'])[moment],
        string_agg(format('`%s` on %s: `%s`', tgname, concat_ws(', ',
            CASE WHEN tgtype & 4 > 0 THEN 'insert' END, CASE WHEN tgtype & 16 > 0 THEN 'update' END,
            CASE WHEN tgtype & 8 > 0 THEN 'delete' END, CASE WHEN tgtype & 32 > 0 THEN 'truncate' END), proname),
            '; ' ORDER BY tgname COLLATE "C")) AS row
    FROM (
        SELECT t.*, c.relname, p.proname,
            CASE WHEN tgtype & 1 > 0 THEN CASE WHEN tgtype & 2 > 0 THEN 2 ELSE 3 END
                WHEN tgtype & 2 > 0 THEN 1 ELSE 4 END AS moment
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT tgisinternal AND c.relnamespace IN ('murallink'::regnamespace, 'murallink_private'::regnamespace)) AS triggers
    GROUP BY relname, moment) AS rows
EOC
my $architecture = slurp_file("$root/docs/architecture.md");
my ($section) = $architecture =~ /^## Triggers\n(.*)\z/ms;
my $written = join "\n", $section =~ /^(\| `\w+` \| \w+ .* \|)$/gm;
my $generated = ($ENV{TESTDIR} // '.') . '/triggers.md';
unlink $generated;
is($written, $map, 'is that of the catalogue')
  || append_to_file($generated, "$map\n") && diag("the map to write is in $generated");

note 'the picture of the tables for analysts';
my $tables = $stack->sql(<<'EOC');
WITH shown AS (
    SELECT c.oid, c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = 'murallink'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege('murallink_analyst', c.oid, 'SELECT')
        AND c.relname !~ '^(bastion_|dim_)'
), referring AS (
    SELECT s.name, a.attname::text AS referring, substring(a.attname FROM '^(\w+)_uid$') AS referred
    FROM shown s JOIN pg_attribute a ON a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped
), edges AS (
    SELECT r.name, r.referring, t.name AS referred FROM referring r JOIN shown t ON t.name = CASE r.referred
        WHEN 'chain' THEN 'enrollment' WHEN 'into' THEN 'patient' WHEN 'resource' THEN NULL ELSE r.referred END AND t.name <> r.name
    WHERE r.referred <> 'app_user'
)
SELECT string_agg(format('    %s ||--o{ %s : %s', e.referred, e.name, e.referring), E'\n' ORDER BY e.referred, e.name, e.referring)
FROM edges e
WHERE NOT EXISTS (
    -- The place is drawn once, from what is nearest to it: what belongs to an enrollment has its trial and site from there.
    SELECT FROM edges n WHERE n.name = e.name AND n.referred <> e.referred AND CASE e.referred
        WHEN 'client' THEN n.referred NOT IN ('patient', 'sponsor') WHEN 'contract' THEN n.referred NOT IN ('client', 'sponsor', 'patient')
        WHEN 'trial' THEN n.referred IN ('trial_site', 'enrollment', 'payment', 'milestone', 'appointment')
        WHEN 'site' THEN n.referred IN ('trial_site', 'enrollment', 'payment', 'milestone', 'appointment')
        WHEN 'trial_site' THEN n.referred IN ('enrollment', 'payment', 'milestone')
        WHEN 'patient' THEN n.referred IN ('enrollment', 'payment', 'reversal', 'appointment')
        WHEN 'enrollment' THEN n.referred IN ('payment', 'reversal', 'appointment') AND n.name <> 'payment' END)
EOC
my ($pictured) = slurp_file("$root/docs/analysts.md") =~ /^erDiagram\n(.*?)\n```/ms;
my $picture = ($ENV{TESTDIR} // '.') . '/tables.md';
unlink $picture;
is($pictured, $tables, 'is that of the catalogue')
  || append_to_file($picture, "$tables\n") && diag("the picture to write is in $picture");

note 'the picture of a payment, in which one whose payout is being sent is processing';
my %drawn = drawn(slurp_file("$root/README.md"));
my $allowed = $stack->sql(<<'EOC');
SELECT 'approved --> processing' UNION
SELECT 'processing --> approved' FROM pg_proc WHERE proname = 'call_step' AND prosrc LIKE '%(''claimed'', ''ready'')%' UNION
SELECT format('approved --> %s', step[1])
FROM pg_proc, regexp_matches(prosrc, 'WHEN ''(\w+)'' THEN [^\n]* o\.partner IS NULL AND o\.settled_at', 'g') AS step
WHERE proname = 'payment_may' UNION
SELECT format('%s --> %s', CASE WHEN step[1] = 'approved' AND step[2] <> 'cancelled' THEN 'processing' ELSE step[1] END, step[2])
FROM pg_proc, regexp_matches(prosrc, '\(''(\w+)'', ''(\w+)''\)', 'g') AS step
WHERE proname = 'payment_step' AND step[1] = ANY (enum_range(NULL::murallink.payment_status)::text[])
EOC
is(join("\n", sort keys %drawn), join("\n", sort split /\n/, $allowed), 'has the steps that a payment can take');
my %status = map { $_ => 1 } map { split / --> / } keys %drawn;
is(join(' ', sort keys %status),
	$stack->sql("SELECT string_agg(s::text, ' ' ORDER BY s::text COLLATE \"C\") FROM unnest(enum_range(NULL::murallink.payment_status)) s"),
	'and every status');

note 'the picture of a call';
my %call_drawn = drawn($architecture);
is(join("\n", sort keys %call_drawn), join("\n", sort split /\n/, $stack->sql(<<'EOC')), 'has the steps that a call can take');
SELECT format('%s --> %s', step[1], step[2])
FROM pg_proc,
    regexp_matches(split_part(split_part(prosrc, '(OLD.status, NEW.status) NOT IN (', 2), '))', 1) || ')', '\(''(\w+)'', ''(\w+)''\)', 'g') AS step
WHERE proname = 'call_step'
EOC

note 'the situations';
my @situations = map { [ split /\s*\|\s*/ ] } slurp_file("$root/test/situations.md") =~ /^\| (S\d+ \| .* \| `.*`) \|$/gm;
ok(@situations > 0, 'are listed');
foreach (@situations)
{
	my ($number, undef, $tests) = @$_;
	my @missing = grep { !-f "$root/test/$_" || slurp_file("$root/test/$_") !~ /\b$number\b/ } $tests =~ /`([^`]*)`/g;
	is("@missing", '', "$number is in its tests");
}

done_testing();

# The steps in the picture of states of a document.
sub drawn
{
	my ($text) = @_;
	my ($states) = $text =~ /^stateDiagram-v2\n(.*?)^```/ms;
	return map { $_ => 1 } $states =~ /^ *(\w+ --> \w+)/gm;
}
