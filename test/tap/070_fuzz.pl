# Requests made up at random: every action and field with values of every kind. Nothing that a client sends is
# answered with a 5xx or an exception, ends the backend, lets it grow, or moves money that the books do not show.
#
# MURALLINK_SEED repeats a run, MURALLINK_REQUESTS is how many there are (make fuzz).

use strict;
use warnings;

use IPC::Run qw(run);
use Murallink::Node;
use Murallink::Stack;
use Murallink::World;
use PostgreSQL::Test::Utils;
use Test::More;

my $requests = $ENV{MURALLINK_REQUESTS} // 10_000;
my $seed = $ENV{MURALLINK_SEED} || 1;
diag("MURALLINK_SEED=$seed MURALLINK_REQUESTS=$requests");
srand $seed;

my $node = Murallink::Node->new('fuzz');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . <<'EOC');
murallink.databases = ''
murallink.login_max_failures = 1000
log_min_messages = fatal
EOC
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
$stack->make_key;
my $world = Murallink::World->new($stack);
$world->script(<<'EOC');
-- The status of an answer, and how many rows were written. @HUGE@ stands for a string of 1 MB
CREATE FUNCTION world.send(request text, session_id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    body jsonb := replace(request, '@HUGE@', repeat('x', 1000000));
    written bigint := world.written();
    answer jsonb;
BEGIN
    IF session_id <> '' AND jsonb_typeof(body) = 'object' THEN
        body := body || jsonb_build_object('session_id', session_id);
    END IF;
    answer := murallink.api(body);
    RETURN concat(answer ->> 'status_code', ' ', world.written() - written);
END
$$;
CREATE FUNCTION world.session(name text) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
    SELECT murallink_private.open_session(world.uid(name))
$$;
GRANT EXECUTE ON FUNCTION world.send, world.session TO PUBLIC;
SELECT world.give(world.uid('caller'), array_agg(permission || ' client'))
FROM unnest(enum_range(NULL::murallink.permission)) AS permission;
EOC

# The actions with the names and types of their arguments, from the catalog.
my %arguments;
foreach ($world->script(<<'EOC'))
SELECT p.proname, name, format_type(type, NULL)
FROM pg_proc p LEFT JOIN LATERAL unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) AS a (name, type) ON true
WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef
    AND has_function_privilege('world_operator', p.oid, 'EXECUTE')
ORDER BY p.proname COLLATE "C", p.oid, name COLLATE "C"
EOC
{
	my ($action, $name, $type) = split /\|/;
	$arguments{$action} //= {};
	$arguments{$action}{$name} = $type =~ s/^murallink\.//r if $name;
}
# Hashing a password takes its time, and a session that has ended is refused whatever it asks: such an action
# comes a tenth as often.
my @actions = map {
	my $rare = $_ eq 'logout' || grep { /password/ } keys %{ $arguments{$_} };
	($_) x ($rare ? 1 : 10)
} sort keys %arguments;
my @names = do { my %names = map { %$_ } values %arguments; sort keys %names };
my @things = sort keys %{ $world->{uid} };

sub one_of { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }
sub quoted { return qq("$_[0]") }

# Values of every kind, as JSON.
my @wild = (
	qw(null true false 0 -0 1 -1 0.1 0.001 1e400 -1e400 1e-400 1e15 99999999999999999999999999999999999999 2147483648
	  -2147483649 9223372036854775808 [] {} [null] [[]] {"a":1}),
	(map { quoted($_) } '', ' ', 'x', 'NULL', '0', '-1', '100', '1e400', 'NaN', 'Infinity', '-Infinity', 'USD', 'usd', 'XXX',
		'true', '{}', '[]', '{1,2}', '()', '(,,,,)', q(''; DROP TABLE x; --), '%', '_', '%s', '=1+1', '../../etc/passwd',
		'infinity', 'now', 'epoch', 'today', '2022-02-30', '0001-01-01 BC', '294277-01-01', '5874897-12-31', '24:00:00',
		'2022-07-21T00:00:00Z', '2022-07-21T00:00:00+15:59:59', '2022-08-15T20:30:00', 'America/New_York', 'posixrules',
		'\\\\', '\\u0001', '\\u0085', '\\ud83d\\ude00', '\\u202e', '\\ufeff', "\x{e4}", "\x{4e2d}\x{6587}", '@HUGE@',
		'a@b', 'admin@example.com', 'user@example.com', 'AAAA', 'JVBERg==', 'JVBERg=', 'csv', 'xlsx', 'enrolled', 'dropped',
		'0' x 27, 'z' x 27, 'aWgEPTl1tmebfsQzFP4bxwgy80V', 'aWgEPTl1tmebfsQzFP4bxwgy80W'),
	'{"": ""}', '{"street1": 1, "city": null}', '{"uid": "", "valid": true}',
	'[' x 1000 . ']' x 1000, '{"a":' x 1000 . '1' . '}' x 1000, '[' . '1,' x 10_000 . '1]');

# What no jsonb is, and so gets no further than PostgREST and PostgreSQL's own reading of it.
my @no_json = (
	(map { quoted($_) } '\\u0000', 'a\\u0000b', '\\ud800', '\\udc00\\ud800', '\\u12', "\t", "\xff", "\xed\xa0\x80"),
	qw(1e400000 -1e999999 01 +1 .5 1. NaN Infinity nul tru '' {"a"} {"a":), '{,}', '[1,]', '"', '[', '{', '',
	'[' x 100_000, '[' x 100_000 . ']' x 100_000, '"' . 'x' x 1_000_000);

# Something that an argument of this name and type takes.
my %of_name = (
	currency => ['USD'], status => [qw(enrolled completed dropped)], data => ['JVBERg=='], format => [qw(csv xlsx)],
	datetime => ['2999-08-15T20:30:00'], permission => [ $world->permissions ],
	map({ $_ => ['28LLqy3paByy5jcqpoU9wXuTiYo'] } qw(payment_type_uid default_payment_type_uid)),
	map({ $_ => ['correct horse'] } qw(password new_password)),
	map({ $_ => [ map { $world->uid($_) } qw(caller user) ] } qw(user_uid from_uid to_uid)));
my $kinds = qr/client|contract|trial|site|patient|payment|milestone|caregiver|appointment|enrollment/;

sub valid
{
	my ($action, $name, $type) = @_;
	return quoted(one_of(@{ $of_name{$name} })) if $of_name{$name};
	my ($kind) = ($name eq 'uid' ? $action : $name =~ s/_uid$//r) =~ /(?:^|_)($kinds)$/;
	return quoted($world->uid((chance(0.1) ? 'far_' : '') . $kind)) if $kind && $type eq 'ksuid';
	return quoted($world->uid(one_of(@things))) if $type eq 'ksuid';
	return quoted('n' . int(rand 1000) . '@example.com') if $name =~ /email$/ && $type eq 'text';
	return int(rand 1000) / 100 + 0.01 if $name =~ /amount|value/;
	return int rand 10 if $type =~ /integer|numeric/;
	return one_of('true', 'false') if $type eq 'boolean';
	return quoted('2022-07-' . int(10 + rand 20)) if $type =~ /date|timestamp/;
	return '{"street1": "1", "street2": "", "city": "C", "state": "VA", "post_code": "1"}' if $type eq 'jsonb';
	return quoted(one_of('Name', 'Bill', '', 'n' . int rand 1_000_000));
}

sub wild { return chance(0.3) ? quoted($world->uid(one_of(@things))) : one_of(@wild) }

# A request: valid, but for a few of its values. Those come from $odd.
sub request
{
	my ($action, $odd) = @_;
	my $arguments = $arguments{$action};
	my @keys = sort keys %$arguments;
	my %payload = map { $_ => valid($action, $_, $arguments->{$_}) } grep { /_uid$|^uid$/ || chance(0.8) } @keys;
	foreach (1 .. one_of(0, 0, 0, 1, 1, 1, 2, 5))
	{
		my $key = chance(0.9) && @keys ? one_of(@keys) : one_of(@names, 'x', '', 'payload');
		$payload{$key} = $odd->();
	}
	my $payload = '{' . join(', ', map { quoted($_) . ': ' . $payload{$_} } sort keys %payload) . '}';
	my %request = (action => quoted($action), payload => $payload);
	$request{ one_of('action', 'payload', 'session_id', 'idempotency_key', 'x') } = $odd->() if chance(0.05);
	$request{idempotency_key} = quoted('key' . int rand 500) if chance(0.05);
	return '{' . join(', ', map { quoted($_) . ': ' . $request{$_} } sort keys %request) . '}';
}

note 'through murallink.api()';
my @sent;
my @callers = qw(admin caller);
my $file = $node->basedir . '/requests.sql';
open my $script, '>:encoding(UTF-8)', $file or die "$file: $!\n";
print $script "\\set nobody ''\n";
foreach my $n (0 .. $requests - 1)
{
	# Sessions end now and then, and so does what a session remembers of the tables.
	if ($n % 100 == 0)
	{
		@callers = $n % 700 == 600 ? ('nobody') : ('admin', 'caller');
		my $role = $callers[0] eq 'nobody' ? 'world_client' : 'world_operator';
		print $script <<'EOC', "SET SESSION AUTHORIZATION $role;\n";
RESET SESSION AUTHORIZATION;
SELECT 'memory ' || sum(total_bytes) FROM pg_backend_memory_contexts;
SELECT 'resident ' || substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s*(\d+)');
SELECT world.session('admin') AS admin, world.session('caller') AS caller \gset
EOC
	}
	my $action = one_of(@actions);
	my $who = one_of(@callers);
	my $request = chance(0.99) ? request($action, \&wild) : wild();
	push @sent, "$action by $who: $request";
	print $script "SELECT world.send('", $request =~ s/'/''/gr, "', :'$who');\n";
}
close $script or die "$file: $!\n";
my ($output, $errors) = ('', '');
my @psql = (qw(psql -XqAt -v ON_ERROR_STOP=1 -h), $node->host, '-p', $node->port, '-f', $file, 'murallink');
run \@psql, '>', \$output, '2>', \$errors;
my $finished = $? == 0;
my @lines = split /\n/, $output;
my @answers = grep { /^\S* \d+$/ && !/^(memory|resident)/ } @lines;
ok($finished, 'no exception') or diag($errors, "\n", substr($sent[@answers] // '', 0, 2000));
my @odd = grep { $answers[$_] !~ /^[234]\d\d / } 0 .. $#answers;
is(join("\n", map { "$answers[$_]: " . substr($sent[$_], 0, 500) } @odd), '', 'every answer has a status below 500');
my %open = map { $_ => 1 } qw(ping register login request_password_reset reset_password unsubscribe);
my @done = grep { $answers[$_] =~ /^200| [1-9]/ && $sent[$_] =~ /^(\w+) by nobody/ && !$open{$1} } 0 .. $#answers;
is(join("\n", map { $sent[$_] } @done), '', 'without a session nothing is done');
my %status;
$status{ substr($_, 0, 3) }++ foreach @answers;
diag(join ', ', map { "$status{$_} times $_" } sort keys %status);
cmp_ok($status{200} // 0, '>', $requests / 20, 'many requests are valid');

# A backend that has seen everything once stays as large as it is.
foreach my $what ('memory', 'resident')
{
	my @sizes = map { /^$what (\d+)/ } @lines;
	diag("$what: " . join ' ', map { $sizes[ $_ * $#sizes / 5 ] } 0 .. 5);
	cmp_ok($sizes[-1], '<', 1.5 * $sizes[ @sizes / 3 ], "$what: no growth");
}

note 'through PostgREST';
$stack->start_postgrest;
my $client = $stack->client;
my %other;
foreach (1 .. $requests / 100)
{
	my $action = one_of(@actions);
	my $body = chance(0.8) ? request($action, sub { one_of(@no_json) }) : one_of(@no_json);
	utf8::encode($body) if utf8::is_utf8($body);
	my ($status) = $client->rpc('api', $body);
	$other{"$status for " . substr($body, 0, 300)}++ unless $status =~ /^4/ || $status == 200 && $body !~ /\\u0000/;
}
is(join("\n", sort keys %other), '', 'what is no JSON is a bad request');

note "in PostgREST's own language: what is asked of an answer, in the transaction that has made it";
my @columns = qw(uid email session_id status amount note name milestone pgrst_scalar pgrst_scalar->error->>code pgrst_scalar->>message
  pgrst_scalar->payload->>session_id invalid_attempts x);
my @casts = map { "::$_" } qw(ksuid murallink.ksuid int text json date bytea regclass money);
my @operands = (
	(map { "$_.1" } qw(eq gt gte lt lte neq like ilike is fts plfts phfts wfts cs cd ov sl sr adj isdistinct)),
	qw(match.%28 imatch.%5E%28a%2A%29%2A%5C1%24 in.%28%29 in.%281%2C%22%22%29 is.null is.true not.eq.%00 eq. like.%25%25 fts%28nope%29.x cs.%7B eq.NaN));
my @accepts = qw(application/json text/csv application/octet-stream application/vnd.pgrst.object+json application/vnd.pgrst.plan+json
  application/geo+json text/xml */* nothing/at/all);
my @preferences = qw(count=exact count=planned tx=rollback tx=commit params=single-object return=minimal return=representation
  handling=strict timezone=America/Los_Angeles timezone=nowhere max-affected=0 missing=default resolution=merge-duplicates);

# What is asked of the answer, and how.
sub query
{
	return '' if chance(0.3);
	my @query;
	push @query, 'select=' . one_of('', '*', 'count()', one_of(@columns) . one_of('', @casts), one_of(@columns) . '(x)') if chance(0.5);
	push @query, one_of(@columns) . '=' . one_of(@operands) foreach 1 .. one_of(0, 1, 1, 2);
	push @query, 'or=(' . one_of(@columns) . '.' . one_of(@operands) . ')' if chance(0.1);
	push @query, 'order=' . one_of(@columns) . one_of('', '.desc', '.nullslast', '.x') if chance(0.2);
	push @query, one_of('limit=', 'offset=', 'columns=', 'on_conflict=') . one_of(qw(0 1 -1 x 99999999999999999999)) if chance(0.2);
	my $query = join '&', @query;
	return $query =~ s/([^!-~]|["<>`{}|^\\])/sprintf '%%%02X', ord $1/ger;
}

sub wishes
{
	my %headers;
	$headers{Accept} = one_of(@accepts) if chance(0.3);
	$headers{Prefer} = join ', ', map { one_of(@preferences) } 1 .. 2 if chance(0.3);
	$headers{Range} = one_of('0-0', '5-1', 'x', '0-') if chance(0.1);
	$headers{'Content-Profile'} = one_of(qw(murallink murallink_private pg_catalog)) if chance(0.05);
	return \%headers;
}

my $tried = 'SELECT coalesce(sum(failures), 0) FROM murallink_private.login_attempt';
my ($before, $wrong, $answered, %status_of, %failed) = ($stack->sql($tried), 0, 0);
foreach (1 .. $requests / 50)
{
	my ($door, $body);
	if (chance(0.3))
	{
		# A wrong password counts, whatever becomes of the answer.
		my %login = (email => one_of('admin@example.com', 'user@example.com', 'nobody@example.com'), password => 'wrong horse');
		($door, $body) = chance(0.5) ? (login => \%login) : (api => { action => 'login', payload => \%login });
	}
	else
	{
		my $action = one_of(grep { $_ ne 'login' } @actions);
		($door, $body) = chance(0.5) ? ($action, '{}') : (api => request($action, \&wild));
		$body =~ s/\@HUGE\@/x/g;
		$body =~ s/"login"/"ping"/g;
		utf8::encode($body) if utf8::is_utf8($body);
	}
	my $url = "$client->{url}/rpc/$door?" . query();
	my ($status, $answer) = $client->request('POST', $url, $body, wishes());
	if (ref $body)
	{
		# What fails may have failed before the function was called.
		$wrong++;
		$answered++ if $status == 401;
	}
	$status_of{$status}++;
	$failed{"$status for $url: " . (ref $answer eq 'HASH' ? join ' ', map { $_ // '' } @$answer{qw(code message)} : '')}++ if $status >= 500;
}
diag(join ', ', map { "$status_of{$_} times $_" } sort keys %status_of);
is(join("\n", sort keys %failed), '', 'is no failure of the server');
my $counted = $stack->sql($tried) - $before;
cmp_ok($answered, '>', 0, 'wrong passwords were tried');
cmp_ok($counted, '>=', $answered, 'each that was answered is counted');
cmp_ok($counted, '<=', $wrong, 'once');

note 'filters that fail for a wrong guess alone, after the function has run';
my %guess = (email => 'admin@example.com', password => 'wrong horse');
my %trap = (
	'login?select=session_id::ksuid' => \%guess,
	'login?select=session_id::int' => \%guess,
	'login?select=user_role::date' => \%guess,
	'api?select=pgrst_scalar:pgrst_scalar->payload->>session_id::uuid' => { action => 'login', payload => \%guess },
	'api?select=pgrst_scalar:pgrst_scalar->error->>code::int' => { action => 'login', payload => \%guess });
foreach my $door (sort keys %trap)
{
	$before = $stack->sql($tried);
	my ($status) = $client->rpc($door, $trap{$door});
	cmp_ok($status, '>=', 400, "$door: fails");
	is($stack->sql($tried) - $before, 1, 'and is counted');
}

note 'afterwards';
is_deeply([ $world->script('SELECT * FROM murallink.verify_ledger()') ], [], 'the books are right');
is_deeply([ grep { /PANIC|terminated by signal/ } split /\n/, slurp_file($node->logfile) ], [], 'no backend crashed');

done_testing();
