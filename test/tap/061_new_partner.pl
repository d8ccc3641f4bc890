# The partner that docs/partners.md adds works in a copy of the tree, to which nothing but its files and its line is added.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IPC::Run qw(run);
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../..');
my $dir = abs_path(tempdir(CLEANUP => 1));
my $tree = "$dir/tree";

note 'what the document adds';
my ($section) = slurp_file("$root/docs/partners.md") =~ /^## Adding a partner\n(.*?)\z/ms;
my %added;
while ($section =~ /^```\w+ (\S+)\n(.*?)^```$/gms)
{
	$added{$1} = $2;
}
like(delete $added{'src/calls/partner_table.h'}, qr/\APARTNER\(\w+\)\n\z/, 'one line');
my ($test) = grep { /^test\/tap\// } keys %added;
my ($line, $partner) = $section =~ /^(PARTNER\((\w+)\)\n)/m;
is_deeply([ sort keys %added ], [ "sql/partners/$partner.sql", "src/partners/$partner.c", "test/sandbox/$partner.c", $test ], 'and four files');

mkdir $tree;
works('a copy of the tree', 'sh', '-ec',
	'cd "$1" && tar -c --exclude=./.git --exclude=./build --exclude=./tmp --exclude=./pg . build/sandbox | tar -x -C "$2"', 'sh', $root, $tree);
append_to_file("$tree/src/calls/partner_table.h", $line);
ok(!-e "$tree/$_", "there is no $_") && append_to_file("$tree/$_", $added{$_}) foreach sort keys %added;

note 'built into a PostgreSQL of its own';
chomp(my $pg_config = works('a PostgreSQL', "$root/dev/postgresql", "$dir/pg"));
local $ENV{PG_CONFIG} = $pg_config;
local $ENV{PATH} = dirname($ENV{PG_CONFIG}) . ":$ENV{PATH}";
delete local $ENV{MURALLINK_TEMPLATE}; # in which there is no such partner
works('the extension', qw(make -s -j2 -C), $tree, 'install');
works('the sandbox', qw(make -s -C), "$tree/test/sandbox");

note 'and run';
my $output = works('its test', $^X, map({ "-I$_" } "$tree/test/tap", grep { /pgxs/ } @INC), "$tree/$test");
cmp_ok(scalar(() = $output =~ /^ok /gm), '>=', 6, 'all of it');

my $differences = '';
run [ qw(diff -rqN --exclude=build --exclude=tmp --exclude=pg --exclude=*.o --exclude=*.so), '--exclude=murallink--*.sql', $root, $tree ],
	'>', \$differences;
is_deeply([ sort $differences =~ /^Files .* and \Q$tree\E\/(\S+) differ$/gm ], [ sort 'src/calls/partner_table.h', keys %added ],
	'nothing else was touched');

done_testing();

# Runs a command, which is to succeed, and returns its output.
sub works
{
	my ($what, @command) = @_;
	my $said = '';
	run \@command, '>', \$said, '2>&1';
	is($?, 0, $what) or diag($said);
	return $said;
}
