# PostgREST that runs already sees the functions as soon as the extension is installed or upgraded.

use strict;
use warnings;

use Murallink::Stack;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('reload');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);

# PostgREST before the extension, as where the API of an application is there already. Its set-up makes the roles.
$stack->sql('CREATE DATABASE ' . Murallink::Stack::DATABASE, 'postgres');
$stack->sql('CREATE ROLE authenticator LOGIN NOINHERIT');
$stack->sql('CREATE ROLE web_anon NOLOGIN ROLE authenticator');
$stack->sql('CREATE SCHEMA murallink');
$stack->start_postgrest;
my $client = $stack->client;
my ($status) = $client->rpc('ping', {});
cmp_ok($status, '>=', 400, 'there is nothing yet');
$stack->sql('CREATE EXTENSION murallink SCHEMA murallink');
$stack->sql('SELECT murallink.install()');
$stack->sql('GRANT murallink_client TO web_anon');
Murallink::Stack::poll('PostgREST to see what was installed', sub { ($status) = $client->rpc('ping', {}); return $status < 300 });
cmp_ok($status, '<', 300, 'what install() has made is seen');

$stack->sql(<<'EOC');
CREATE FUNCTION murallink.added() RETURNS integer LANGUAGE sql AS 'SELECT 1';
EOC
is(($client->rpc('added', {}))[0], 404, 'a function that came later is not');
$stack->sql('SELECT murallink.upgrade()');
Murallink::Stack::poll('PostgREST to see what was upgraded', sub { ($status) = $client->rpc('added', {}); return $status != 404 });
is($status, 200, 'until upgrade() has run');

done_testing();
