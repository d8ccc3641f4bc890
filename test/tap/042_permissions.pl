# Who may do what: every action, called by an administrator, by users with each permission at each place, by one
# with every permission but the one needed, by one with none, by nobody, and in a session that has ended. What
# is expected is worked out from the table at the end, which has all actions or the test fails.

use strict;
use warnings;

use JSON::XS;
use List::Util qw(any first min uniq);
use Murallink::Node;
use Murallink::Stack;
use Murallink::World;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('permissions');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . $Murallink::Stack::conf_of_passwords . <<'EOC');
murallink.databases = ''
murallink.expose_reset_tokens = on
murallink.sign_on_issuers = '[{"issuer": "https://login.example.com", "audience": "N"}]'
EOC
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;
my $world = Murallink::World->new($stack);
my $json = JSON::XS->new->canonical;
my @all = $world->permissions;

# One call, of which nothing remains: what it answers, and how many rows it wrote or tried to write. Functions that
# answer with a file are no actions of the JSON protocol: they are called by name.
$world->script(<<'EOC');
CREATE FUNCTION world.files() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(proname) FROM pg_proc
    WHERE pronamespace = 'murallink'::regnamespace AND prorettype = 'murallink."*/*"'::regtype AND prosecdef
$$;
CREATE FUNCTION world.fetch(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    error text;
BEGIN
    IF request ? 'session_id' THEN
        PERFORM set_config('request.path', '/rpc/' || (request ->> 'action'), true),
            set_config('request.headers', jsonb_build_object('session-id', request -> 'session_id')::text, true);
        PERFORM murallink.authenticate();
    END IF;
    EXECUTE format('SELECT murallink.%I(%L)', request ->> 'action', request #>> '{payload,uid}');
    RETURN '{"status_code": 200}';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS error = CONSTRAINT_NAME;
    RETURN jsonb_build_object('error', jsonb_build_object('code', error));
END
$$;
CREATE FUNCTION world.ask(request jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
    written bigint := world.written();
BEGIN
    answer := CASE WHEN request ->> 'action' = ANY (world.files()) THEN world.fetch(request)
        ELSE murallink.api(request) - 'request_id' END;
    answer := answer || jsonb_build_object('written', world.written() - written);
    RAISE 'take it back';
EXCEPTION WHEN raise_exception THEN
    RETURN answer;
END
$$;
GRANT EXECUTE ON FUNCTION world.ask, world.fetch, world.files TO PUBLIC;
-- The SQLSTATE of the error of a function that is called with nothing
CREATE FUNCTION world.refused(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (
        SELECT format('SELECT * FROM murallink.%I(%s)', name, array_to_string(array_fill('NULL'::text, ARRAY[pronargs - pronargdefaults]), ','))
        FROM pg_proc WHERE pronamespace = 'murallink'::regnamespace AND proname = name);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
GRANT EXECUTE ON FUNCTION world.refused TO PUBLIC;
-- For how many seconds this process has had a core, to a few milliseconds
CREATE FUNCTION world.at_work() RETURNS float LANGUAGE sql RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float / 1e9;
CREATE FUNCTION world.seconds(request jsonb) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
    before float := world.at_work();
BEGIN
    PERFORM world.ask(request);
    RETURN world.at_work() - before;
END
$$;

-- A new user with these grants, and a session
CREATE FUNCTION world.caller(grants text[], OUT uid murallink.ksuid, OUT session text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO murallink.app_user AS u (email, first_name, last_name)
    VALUES (gen_random_uuid() || '@example.com', 'N', 'N') RETURNING u.uid INTO uid;
    PERFORM world.give(uid, grants);
    session := murallink_private.open_session(uid);
END
$$;
EOC

# What can be revoked, and who can be deactivated and reactivated.
@{ $world->{uid} }{qw(leaver returner)} = ($world->script(<<'EOC'))[ -2, -1 ];
SELECT world.give(uid, '{bulk_email site,bulk_email trial_site}') FROM world.thing WHERE name = 'user';
CREATE TABLE world.leaver AS
SELECT name, murallink.gen_ksuid() AS uid FROM unnest('{leaver,returner}'::text[]) AS name;
INSERT INTO murallink.app_user (uid, email) SELECT uid, name || '@example.com' FROM world.leaver;
SELECT world.give(uid, '{bulk_email site}') FROM world.leaver;
SELECT murallink.api(jsonb_build_object('action', 'deactivate_user', 'session_id', c.session,
    'payload', jsonb_build_object('user_uid', l.uid, 'note', 'N')))
FROM world.leaver l, LATERAL world.caller('{grant site}') c WHERE l.name = 'returner';
SELECT uid FROM world.leaver ORDER BY name;
EOC

# A service with an API key, and an identity of an identity provider.
@{ $world->{uid} }{qw(service api_key identity)} = ($world->script(<<'EOC'))[ -3, -2, -1 ];
INSERT INTO murallink.app_user (email, kind) VALUES ('service@example.com', 'service');
WITH made AS (
    INSERT INTO murallink_private.api_key (app_user_uid, name, hash, note, created_by_uid, until)
    SELECT s.uid, 'N', 'N', 'N', a.uid, '2999-01-01' FROM murallink.app_user s, murallink.app_user a
    WHERE s.kind = 'service' AND a.uid = world.uid('admin') RETURNING uid)
INSERT INTO murallink_private.api_key_use SELECT uid FROM made;
INSERT INTO murallink_private.identity (app_user_uid, issuer, subject, note) VALUES (world.uid('user'), 'N', 'N', 'N');
SELECT app_user_uid FROM murallink_private.api_key;
SELECT uid FROM murallink_private.api_key;
SELECT uid FROM murallink_private.identity;
EOC

# What stands in the answers, and the permissions of which one shows it.
my %shown_to = (
	Clientname => 'view_clients', Contractname => 'view_contract', Trialname => 'view_trials', Protocolnumber => 'view_trials',
	Sitename => 'view_sites', Subjectnumber => 'view_enrollments view_patients', Paymentnote => 'view_patients',
	qr/5\.43\b/ => 'view_payments');

# The rows of the table, taken apart.
my @rows;
while (my $line = <DATA>)
{
	chomp $line;
	next unless $line =~ /\S/;
	my ($action, $needs, $payload) = split / *\| */, $line;
	my @conditions = map {
		my ($any_of, $at, $hidden) = /^(.+) at (.+?)( else not_found)?$/ or die "not understood: $line\n";
		{ any_of => [ split / or /, $any_of ], at => [ split / or /, $at ], hidden => $hidden }
	} $needs =~ / at / ? split /, */, $needs : ();
	my ($listed, $of, $refused) = $needs =~ /^(\w+) lists (.+?)( or forbidden)?$/;
	push @rows, { line => "$action $payload", action => $action, payload => $payload, needs => $needs,
		conditions => \@conditions, ($listed ? (listed => $listed, of => $of, refused => $refused) : ()) };
}

# What can be listed of either client; and where what is no place itself stands.
my %listable = (
	clients => [qw(client bare_client)], contracts => [qw(contract other_contract bare_contract)],
	trials => [qw(trial other_trial bare_trial)], sites => [qw(site other_site bare_site)],
	patients => [qw(patient newcomer neighbour elsewhere)]);
my %stands = (
	patient => [qw(site trial_site)], neighbour => [qw(site trial_site)], newcomer => ['site'], elsewhere => ['other_site'],
	far_patient => [qw(far_site far_trial_site)], far_neighbour => [qw(far_site far_trial_site)],
	far_newcomer => ['far_site'], far_elsewhere => ['far_other_site']);

note 'the table has every action';
my @actions = $world->script(<<'EOC');
SELECT DISTINCT p.proname FROM pg_proc p, aclexplode(p.proacl) AS granted
WHERE p.pronamespace = 'murallink'::regnamespace AND p.prosecdef
    AND granted.grantee IN ('murallink_client'::regrole, 'murallink_operator'::regrole, 'murallink_analyst'::regrole)
EOC
my %in_table = map { $_->{action} => 1 } @rows;
is(join(' ', sort grep { !$in_table{$_} } @actions), '', 'no action without a row');
my %is_action = map { $_ => 1 } @actions;
is(join(' ', sort grep { !$is_action{$_} } keys %in_table), '', 'no row without an action');

is(join("\n", slurp_file('docs/reference.md') =~ /^(\| `\w+` \| (?:\w[\w ]*: `\w+`.*) \|)$/gm), join("\n", permission_rows()),
	'docs/reference.md has what each permission is needed for');

# Whether the grants of a caller, each a permission and a place, hold one of the permissions at one of the places.
sub holds
{
	my ($grants, $any_of, $at) = @_;
	return any {
		my ($permission, $place) = split / /;
		(any { $_ eq $permission || $_ eq 'anything' } @$any_of) && any { $world->reaches($place, $_) } @$at
	} @$grants;
}

# The rows of the documented table of permissions: where each is needed, and for which actions.
sub permission_rows
{
	my %needed;
	foreach my $row (@rows)
	{
		my @needs = map {
			my $where = join ' or ', map { s/^(bare|other)_//r =~ s/at_other/at_a/r =~ tr/_/ /r =~ s/trial site/trial at a site/r } @{ $_->{at} };
			map { [ $_, $where ] } @{ $_->{any_of} };
		} @{ $row->{conditions} };
		push @needs, [ $1, 'anywhere' ] if $row->{needs} =~ /^(\w+) (?:lists|anywhere)/;
		# What is granted is needed, too, whichever it is.
		@needs = grep { $_->[0] eq 'grant' } @needs if $row->{action} eq 'grant';
		$needed{ $_->[0] }{ $_->[1] }{ $row->{action} } = 1 foreach @needs;
	}
	return map {
		my $permission = $_;
		my $where = $needed{$permission};
		"| `$permission` | " . join('; ', map { "$_: " . join(', ', map { "`$_`" } sort keys %{ $where->{$_} }) } sort keys %$where) . ' |';
	} sort keys %needed;
}

# The answer that the table promises to the caller with these grants.
sub expected
{
	my ($row, $who, $grants) = @_;
	my $needs = $row->{needs};
	$who = 'nobody' if $who eq 'ended';
	return 'unknown_action' if $needs eq 'operator';
	return $1 // '200' if $needs =~ /^nothing(?:, answers (\w+))?$/;
	return 'unauthenticated' if $who eq 'nobody';
	return '200' if $who eq 'admin' || $needs eq 'any';
	return $1 // 'forbidden' if $needs =~ /^admin(?: else (not_found))?$/;
	return '200' if $row->{listed} && !$row->{refused};
	return (any { /^$1 / } @$grants) ? '200' : 'forbidden' if $needs =~ /^(\w+) (lists|anywhere)/;
	foreach my $condition (@{ $row->{conditions} })
	{
		next if holds($grants, $condition->{any_of}, $condition->{at});
		return !$condition->{hidden} && holds($grants, ['anything'], $condition->{at}) ? 'forbidden' : 'not_found';
	}
	return '200';
}

# The things that a list shows to the caller with these grants.
sub listed
{
	my ($row, $grants) = @_;
	my @things = map { ($_, "far_$_") } @{ $listable{ $row->{of} } };
	return grep { holds($grants, [ $row->{listed} ], $stands{$_} // [$_]) } @things;
}

# Grants of permissions on a place; and the permissions without some.
sub on { my ($place, @permissions) = @_; return map { "$_ $place" } @permissions }
sub all_but { my %but = map { $_ => 1 } @_; return grep { !$but{$_} } @all }

# The callers to try a row with: who, and the grants. Of several conditions one is varied while the others hold.
sub callers
{
	my ($row) = @_;
	my @callers = (['admin'], ['nobody'], ['ended'], ['caller'], [ 'caller', on('client', @all) ]);
	return @callers if $row->{needs} =~ /^(nothing|any|admin|operator)\b/;
	my @conditions = @{ $row->{conditions} };
	@conditions = { any_of => [ $row->{needs} =~ /^(\w+)/ ] } unless @conditions;
	push @callers, map { [ 'caller', on($_, @all) ] } 'far_client', 'other_site', 'trial_site';
	push @callers, map { [ 'caller', on('client', $_) ] } @all;
	push @callers, [ 'caller', on('client', all_but(map { @{ $_->{any_of} } } @conditions)) ];
	foreach my $varied (@conditions)
	{
		my @others = map { on($_->{at}[0], grep { $_ ne 'anything' } @{ $_->{any_of} }) } grep { $_ != $varied } @conditions;
		foreach my $permission (map { $_ eq 'anything' ? 'view_report' : $_ } @{ $varied->{any_of} })
		{
			push @callers, map { [ 'caller', @others, on($_, $permission) ] } $world->places;
			push @callers, [ 'caller', @others, on('far_client', $permission), on('client', 'view_report') ];
		}
		push @callers, [ 'caller', @others, on('client', all_but(@{ $varied->{any_of} })) ];
	}
	return @callers;
}

# The payload of a row, with the uids of the world; $changed has some of its own.
sub payload
{
	my ($row, %changed) = @_;
	return $json->decode($row->{payload} =~ s/"\@\K(\w+)/$changed{$1} \/\/ $world->uid($1)/ger =~ s/"\@/"/gr);
}

# Sends requests as a role, each in a transaction of its own, and returns the answers. A request is a row of the
# table, uids that its payload is to have instead, who sends it, and the grants.
sub answers
{
	my ($role, @requests) = @_;
	my %callers = map { join(',', @$_[ 3 .. $#$_ ]) => undef } @requests;
	my @lists = sort keys %callers;
	my $make = join '', map { "SELECT * FROM world.caller('{$_}');\n" } @lists;
	@callers{@lists} = map { [ split /\|/ ] } $world->script($make);
	my ($admin, $ended) = $world->script(<<"EOC");
SELECT murallink_private.open_session(world.uid('admin'));
SELECT session FROM world.caller('{}');
EOC
	$world->script("UPDATE murallink_private.session SET expires_at = now() WHERE hash = sha256('$ended')");

	my $statements = "SET SESSION AUTHORIZATION $role;\n";
	foreach (@requests)
	{
		my ($row, $changed, $who, @grants) = @$_;
		my ($uid, $session) = @{ $callers{ join ',', @grants } };
		my %session = (admin => $admin, caller => $session, ended => $ended, nobody => undef);
		my %request = (action => $row->{action}, payload => payload($row, caller => $uid, %$changed));
		$request{session_id} = $session{$who} if $session{$who};
		$statements .= "SELECT world.ask('" . $json->encode(\%request) =~ s/'/''/gr . "');\n";
	}
	my @answers = $world->script($statements);
	die scalar(@answers) . ' answers to ' . scalar(@requests) . " requests\n" if @answers != @requests;
	return map { $json->decode($_) } @answers;
}

# What is wrong with the answer to a caller, or nothing.
sub wrong
{
	my ($row, $who, $grants, $answer) = @_;
	my $expected = expected($row, $who, $grants);
	my $error = $answer->{error};
	my $got = $error ? $error->{code} : $answer->{status_code};
	my $text = $json->encode($answer);
	return "expected $expected, got $got" if $got ne $expected;
	return "wrote $answer->{written} rows" if $error && $answer->{written};
	return 'shows a person to one without view_patients'
	  if $who eq 'caller' && $row->{payload} !~ /personal/ && $text =~ /Personal/i
	  && !any { /^view_patients/ } @$grants;
	foreach my $shown ($who eq 'caller' ? sort keys %shown_to : ())
	{
		next if $text !~ /$shown/ || any { my ($held) = split / /; $shown_to{$shown} =~ /\b$held\b/ } @$grants;
		return "shows $shown to one without $shown_to{$shown}";
	}
	return unless $row->{listed} && $who ne 'admin' && !$error;
	my $shown = join ' ', sort map { $_->{uid} } @{ $answer->{payload} };
	my $to_show = join ' ', sort map { $world->uid($_) } listed($row, $grants);
	return $shown eq $to_show ? () : "lists $shown, not $to_show";
}

@rows = grep { $is_action{ $_->{action} } } @rows;
note 'what each caller is answered';
my @cases = map { my $row = $_; map { [ $row, @$_ ] } callers($row) } @rows;
my @answers = answers('world_client', map { my ($row, @caller) = @$_; [ $row, {}, @caller ] } @cases);
my %wrong;
foreach my $case (@cases)
{
	my ($row, $who, @grants) = @$case;
	my $wrong = wrong($row, $who, \@grants, shift @answers) or next;
	push @{ $wrong{ $row->{line} } }, "$who (@grants): $wrong";
}
foreach my $row (@rows)
{
	my @tried = grep { $_->[0] == $row } @cases;
	is(join("\n", @{ $wrong{ $row->{line} } // [] }), '', @tried . " callers: $row->{line}");
}

note 'what operators may do';
my @of_operators = grep { $_->{needs} eq 'operator' } @rows;
@answers = answers('world_operator', map { [ $_, {}, 'nobody' ] } @of_operators);
foreach my $row (@of_operators)
{
	unlike((shift @answers)->{error}{code} // '', qr/unknown_action|unauthenticated|forbidden/, $row->{action});
}

# As functions they are refused by privilege: to applications, whatever their session may do, and to analysts.
foreach my $role (qw(world_client world_analyst))
{
	my @refused = $world->script(join '', "SET SESSION AUTHORIZATION $role;\n", map { "SELECT world.refused('$_->{action}');\n" } @of_operators);
	is(join(' ', @refused), join(' ', ('42501') x @of_operators), "not $role");
}

# To one with every permission on one client, what the other client has is not there: the same bytes. Who is no
# administrator does not hear either whether there is what only administrators may ask for.
note 'what exists elsewhere is answered as what does not exist';
my $nowhere = '0ujtsYcgvSTl8PAuAdqWYSMnLOv';
my (@hidden, @requests);
foreach my $row (grep { @{ $_->{conditions} } || $_->{needs} =~ /^admin/ } @rows)
{
	foreach my $name (uniq $row->{payload} =~ /"\@(\w+)/g)
	{
		my $there = $world->{uid}{"far_$name"} // ($row->{needs} =~ /^admin/ ? $world->uid($name) : next);
		foreach my $place ('client', 'far_bare_client')
		{
			push @hidden, "$row->{line}: $name, to one who may do everything on $place";
			push @requests, map { [ $row, { $name => $_ }, 'caller', on($place, @all) ] } $there, $nowhere;
		}
	}
}
@answers = map { $json->encode($_) } answers('world_client', @requests);
foreach my $what (@hidden)
{
	my ($hidden, $absent) = splice @answers, 0, 2;
	is($hidden, $absent, $what);
}

# What takes long, hashing a password, is done for an address that has no account as well. Everything else asks the
# same indexes for what there is and for what there is not.
note 'the work for an answer, and so the time, does not tell who has an account';
foreach my $row (grep { $_->{action} =~ /^(login|request_password_reset|reset_password)$/ } @rows)
{
	my %payload = %{ payload($row) };
	$payload{password} = 'wrong horse' if $row->{action} eq 'login';
	my @requests = map { $json->encode({ action => $row->{action}, payload => { %payload, email => $_ } }) }
	  'user@example.com', 'nobody@example.com';
	# No account is locked meanwhile, and the least counts: whatever else the machine does only adds. Some milliseconds
	# are little beside a hash.
	my $again = 'DELETE FROM murallink_private.login_attempt';
	my @seconds = $world->script(join '', map { "$again;\nSELECT world.seconds('$_');\n" } (@requests) x 9);
	my ($known, $unknown) = map { my $first = $_; min(map { $seconds[ $first + 2 * $_ ] } 0 .. 8) } 0, 1;
	cmp_ok($known, '<', 1.5 * $unknown + 0.005,
		sprintf '%s: not much more work with an account: %.4f s, without %.4f s', $row->{action}, $known, $unknown);
	cmp_ok($unknown, '<', 1.5 * $known + 0.005, 'nor much less');
}

note 'a report shows the subject id, not the person';
my $report = join "\n", $world->script(<<'EOC');
BEGIN;
SELECT murallink.authenticate(session) FROM world.caller('{view_report client}');
SELECT substring(murallink.trial_payment_report(world.uid('trial')) FROM '=(.*)') AS report \gset
SELECT convert_from(murallink.report(:'report'), 'UTF8');
COMMIT;
EOC
like($report, qr/Subjectnumber/, 'the subject id');
unlike($report, qr/Personal/i, 'and no name or address');

note 'afterwards';
is_deeply([ $world->script('SELECT * FROM murallink.verify_ledger()') ], [], 'the books are right');

done_testing();

# The action, who may, and its payload (@name: the uid of what the world has under that name). Who may:
#   nothing              everybody, also without a session, and with one that has ended
#   any                  whoever has a session
#   admin, operator      only they
#   P or Q at X or Y     who holds one of these permissions at one of these places; several such, with commas between
#                        them, are looked at in their order; "anything": any permission; "else not_found": who lacks
#                        it never hears "forbidden"
#   P lists things       whoever has a session, and sees those on which P is held; "or forbidden": when that is held
#                        nowhere
#   P anywhere           who holds the permission somewhere
__DATA__
ping                   | nothing                                                         | {}
unsubscribe            | nothing                                                         | {"token": "@trial"}
register               | nothing                                                         | {"email": "new@example.com", "password": "correct horse", "first_name": "N", "last_name": "N"}
login                  | nothing                                                         | {"email": "user@example.com", "password": "correct horse"}
request_password_reset | nothing                                                         | {"email": "user@example.com"}
reset_password         | nothing, answers invalid_token                                  | {"email": "user@example.com", "password": "correct horse", "token": "00000000"}
keepalive              | any                                                             | {}
logout                 | any                                                             | {}
my_info                | any                                                             | {}
change_password        | any                                                             | {"new_password": "correct horse"}
list_permissions       | any                                                             | {}
get_payment_types      | any                                                             | {}
events                 | any                                                             | {}
get_users              | admin                                                           | {}
get_permissions        | admin                                                           | {"user_uid": "@user"}
switch_user            | admin                                                           | {"uid": "@user"}
change_user_password   | admin                                                           | {"user_uid": "@user", "new_password": "correct horse"}
reset_tokens           | admin                                                           | {}
update_user            | admin else not_found                                            | {"uid": "@user", "phone": "1"}
update_user            | any                                                             | {"uid": "@caller", "phone": "1"}
get_clients            | admin                                                           | {}
create_client          | admin                                                           | {"name": "N"}
edit_client            | admin                                                           | {"uid": "@client", "name": "N"}
delete_client          | admin                                                           | {"client_uid": "@bare_client"}
get_client             | view_clients at client                                          | {"uid": "@client"}
search_clients         | view_clients lists clients or forbidden                         | {"query": ""}
create_contract        | admin                                                           | {"client_uid": "@client", "name": "N", "currency": "USD"}
edit_contract          | admin                                                           | {"uid": "@contract", "name": "N"}
delete_contract        | admin                                                           | {"contract_uid": "@bare_contract"}
get_contract           | view_contract at contract                                       | {"contract_uid": "@contract"}
get_contracts          | view_contract lists contracts or forbidden                      | {}
upload_contract        | edit_contract at contract                                       | {"contract_uid": "@contract", "data": "JVBERg==", "filename": "a.pdf"}
contract_document      | view_contract at contract                                       | {"uid": "@contract"}
add_funding            | admin                                                           | {"contract_uid": "@contract", "amount": 1}
create_trial           | create_trial at contract                                        | {"contract_uid": "@contract", "name": "N"}
edit_trial             | edit_trial at trial                                             | {"uid": "@trial", "name": "N"}
delete_trial           | delete_trial at bare_trial                                      | {"trial_uid": "@bare_trial"}
get_trial              | view_trials at trial                                            | {"trial_uid": "@trial"}
get_approval_rules     | view_trials at trial                                            | {"trial_uid": "@trial"}
get_trials             | view_trials lists trials                                        | {}
search_trials          | view_trials lists trials or forbidden                           | {"query": ""}
create_site            | create_site at contract                                         | {"contract_uid": "@contract", "name": "N"}
create_site            | create_site at trial                                            | {"trial_uid": "@trial", "name": "N"}
edit_site              | admin                                                           | {"uid": "@site", "name": "N"}
delete_site            | delete_site at bare_site                                        | {"site_uid": "@bare_site"}
get_site               | view_sites at site                                              | {"uid": "@site"}
get_sites              | view_sites lists sites or forbidden                             | {}
add_trial_site         | add_trial_site at other_trial, add_trial_site at other_site     | {"trial_uid": "@other_trial", "site_uid": "@other_site"}
grant                  | grant at site, enroll at site                                   | {"resource_uid": "@site", "permission": "enroll", "user_uid": "@user"}
grant                  | grant at trial_site, enroll at trial_site                       | {"resource_uid": "@trial_site", "permission": "enroll", "user_uid": "@user"}
grant                  | grant at site, enroll at site                                   | {"resource_uid": "@site", "permissions": ["enroll"], "user_uid": "@user", "until": "2999-01-01"}
revoke                 | grant at site                                                   | {"resource_uid": "@site", "permission": "bulk_email", "user_uid": "@user", "note": "N"}
revoke                 | grant at trial_site                                             | {"resource_uid": "@trial_site", "permission": "bulk_email", "user_uid": "@user", "note": "N"}
revoke_all             | grant at site                                                   | {"resource_uid": "@site", "user_uid": "@user", "note": "N"}
revoke_all             | grant at trial_site                                             | {"resource_uid": "@trial_site", "user_uid": "@user", "note": "N"}
deactivate_user        | grant at site else not_found                                    | {"user_uid": "@leaver", "note": "N"}
reactivate_user        | grant at site else not_found                                    | {"user_uid": "@returner", "note": "N"}
access_list            | grant at site                                                   | {"resource_uid": "@site"}
access_list            | grant at trial_site                                             | {"resource_uid": "@trial_site", "at": "2999-01-01"}
idle_users             | grant anywhere                                                  | {"days": 1}
get_roles              | any                                                             | {}
set_role               | admin                                                           | {"name": "N", "permissions": ["enroll"], "note": "N"}
remove_role            | admin                                                           | {"name": "monitor", "note": "N"}
close_account          | admin                                                           | {"user_uid": "@user", "note": "N"}
create_service         | admin                                                           | {"email": "other.service@example.com", "name": "N"}
create_api_key         | admin                                                           | {"user_uid": "@service", "name": "N", "note": "N"}
get_api_keys           | admin                                                           | {"user_uid": "@service"}
revoke_api_key         | admin                                                           | {"api_key_uid": "@api_key", "note": "N"}
create_user            | admin                                                           | {"email": "other.user@example.com", "first_name": "N", "last_name": "N"}
bind_identity          | admin                                                           | {"user_uid": "@user", "issuer": "https://login.example.com", "subject": "N", "note": "N"}
get_identities         | admin                                                           | {"user_uid": "@user"}
unbind_identity        | admin                                                           | {"identity_uid": "@identity", "note": "N"}
copy_permissions       | grant anywhere                                                  | {"from_uid": "@caller", "to_uid": "@user"}
add_patient            | add_patient at site                                             | {"site_uid": "@site", "first_name": "N", "last_name": "N"}
add_patient            | add_patient at site, enroll at trial_site                       | {"site_uid": "@site", "first_name": "N", "last_name": "N", "trial_uid": "@trial", "subject_id": "N"}
get_patient            | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
get_patients           | view_patients lists patients                                    | {}
search_patients        | view_patients lists patients or forbidden                       | {"query": ""}
get_documents          | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
my_places              | any                                                             | {}
my_permissions         | any                                                             | {}
update_patient         | update_patient at site or trial_site                            | {"uid": "@patient", "phone": "1"}
register_caregiver     | add_patient at site or trial_site                               | {"patient_uid": "@patient", "first_name": "N", "last_name": "N"}
update_caregiver       | update_patient at site or trial_site                            | {"uid": "@caregiver", "phone": "1"}
get_caregivers         | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
upload_document        | upload_document at site or trial_site                           | {"patient_uid": "@patient", "filename": "a.txt", "data": "QQ=="}
upload_document        | upload_document at site or trial_site                           | {"caregiver_uid": "@caregiver", "filename": "a.txt", "data": "QQ=="}
get_document           | get_document at site or trial_site                              | {"patient_uid": "@patient", "filename": "personal.txt"}
get_document           | get_document at site or trial_site                              | {"caregiver_uid": "@caregiver", "filename": "personal.txt"}
schedule_appointment   | create_appointment at trial_site                                | {"patient_uid": "@patient", "datetime": "2999-01-02T09:00:00"}
schedule_appointment   | create_appointment at trial_site                                | {"enrollment_uid": "@enrollment", "datetime": "2999-01-02T09:00:00"}
move_appointment       | create_appointment at trial_site                                | {"appointment_uid": "@appointment", "datetime": "2999-01-02T09:00:00"}
cancel_appointment     | create_appointment at trial_site                                | {"appointment_uid": "@appointment"}
set_appointment_status | create_appointment at trial_site                                | {"appointment_uid": "@past_appointment", "status": "kept"}
get_appointments       | view_patients at trial_site                                     | {"enrollment_uid": "@enrollment"}
get_appointments       | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
patient_audit          | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
patient_audit_report   | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
bulk_email             | bulk_email at trial_site                                        | {"trial_uid": "@trial", "site_uid": "@site", "subject": "N", "body": "N"}
enroll                 | enroll at trial_site                                            | {"patient_uid": "@newcomer", "trial_uid": "@trial", "site_uid": "@site", "subject_id": "N"}
enroll                 | enroll at trial_site, view_patients at other_site else not_found | {"patient_uid": "@elsewhere", "trial_uid": "@trial", "site_uid": "@site", "subject_id": "N"}
get_enrolled           | view_enrollments at trial_site                                  | {"trial_uid": "@trial", "site_uid": "@site"}
get_enrollments        | view_patients at site or trial_site                             | {"patient_uid": "@patient"}
set_enrollment_status  | set_enrollment_status at trial_site                             | {"trial_uid": "@trial", "patient_uid": "@patient", "status": "completed"}
set_payment_type       | set_payment_type at trial_site                                  | {"trial_uid": "@trial", "patient_uid": "@patient", "payment_type_uid": "28LLqy3paByy5jcqpoU9wXuTiYo"}
correct_subject_id     | enroll at trial_site                                            | {"trial_uid": "@trial", "patient_uid": "@patient", "subject_id": "N", "note": "N"}
transfer_enrollment    | enroll at trial_at_other_site, set_enrollment_status at trial_site | {"trial_uid": "@trial", "patient_uid": "@patient", "to_site_uid": "@other_site", "note": "N"}
add_milestone          | add_milestone at trial_site                                     | {"trial_uid": "@trial", "site_uid": "@site", "milestone": "N", "amount": 1}
rename_milestone       | add_milestone at trial_site                                     | {"trial_site_uid": "@trial_site", "code": "Week 1", "name": "N", "note": "N"}
set_visit_due          | add_milestone at trial                                          | {"trial_uid": "@trial", "milestone": "Week 1", "due_after": 7}
set_pricing            | add_milestone at trial                                          | {"trial_uid": "@trial", "price_by": "visit", "note": "N"}
add_milestones         | add_milestone at trial_site                                     | {"trial_uid": "@trial", "sites": ["@site"], "rows": [{"milestone": "N", "amount": 1}], "note": "N"}
top_up                 | manual_payment at trial_site, view_payments at trial_site       | {"trial_site_uid": "@trial_site", "milestone": "Week 1", "from_date": "2020-01-01", "note": "N"}
get_payment_schedule   | view_payment_schedule at trial_site                             | {"trial_uid": "@trial", "site_uid": "@site"}
get_payment_rules      | view_payment_schedule at trial_site                             | {"trial_uid": "@trial", "site_uid": "@site"}
milestone_payment      | milestone_payment at trial_site                                 | {"patient_uid": "@patient", "milestone_uid": "@milestone"}
complete_payment       | milestone_payment at trial_site                                 | {"payment_uid": "@part", "note": "N"}
mark_paid_elsewhere    | milestone_payment at trial_site                                 | {"patient_uid": "@patient", "trial_uid": "@trial", "milestone": "Week 1", "note": "N"}
unmark_paid_elsewhere  | milestone_payment at trial_site                                 | {"patient_uid": "@patient", "trial_uid": "@trial", "milestone": "Week 2", "note": "N"}
set_day_cap            | add_milestone at trial_site                                     | {"trial_uid": "@trial", "site_uid": "@site", "amount": 1, "note": "N"}
set_exclusive_milestones | add_milestone at trial                                        | {"trial_uid": "@trial", "group_name": "N", "milestones": ["Week 1", "Week 2"], "note": "N"}
visit_done             | visit_done anywhere                                             | {"source": "ctms", "source_ref": "N", "trial_ref": "T-1", "subject_id": "Subjectnumber", "visit_code": "N", "visit_date": "2027-01-01", "status": "not_done"}
visits_done            | visit_done anywhere                                             | {"rows": [{"source": "ctms", "source_ref": "N", "trial_ref": "T-1", "subject_id": "N", "visit_code": "N", "visit_date": "2027-01-01", "status": "not_done"}]}
resolve_visit          | milestone_payment at trial_site                                 | {"visit_uid": "@visit", "note": "N"}
set_visit_rules        | edit_trial at trial, milestone_payment at trial                 | {"trial_uid": "@trial", "auto_pay": true, "note": "N"}
set_reference          | edit_trial at trial                                             | {"kind": "trial", "resource_uid": "@trial", "source": "n", "ref": "N"}
set_reference          | add_trial_site at site                                          | {"kind": "site", "resource_uid": "@site", "source": "n", "ref": "N"}
set_reference          | enroll at trial_site                                            | {"kind": "enrollment", "resource_uid": "@enrollment", "source": "n", "ref": "N"}
set_reference          | add_milestone at trial                                          | {"kind": "milestone", "resource_uid": "@trial", "source": "n", "ref": "N", "milestone": "Week 1"}
set_reference          | manual_payment at trial_site                                    | {"kind": "payment", "resource_uid": "@payment", "source": "n", "ref": "N"}
set_reference          | travel_payment at trial_site                                    | {"kind": "payment", "resource_uid": "@travel", "source": "n", "ref": "N"}
set_reference          | milestone_payment at trial_site                                 | {"kind": "payment", "resource_uid": "@part", "source": "n", "ref": "N"}
find_reference         | any                                                             | {"kind": "enrollment", "source": "ctms", "ref": "S-1"}
import_csv             | any                                                             | {"kind": "patients", "csv": "first_name"}
import_patients        | nothing, answers unknown_action                                 | {}
import_enrollments     | nothing, answers unknown_action                                 | {}
import_milestones      | nothing, answers unknown_action                                 | {}
import_visits          | nothing, answers unknown_action                                 | {}
redcap_trigger         | nothing, answers unknown_action                                 | {}
payable_milestones     | milestone_payment at trial_site                                 | {"patient_uid": "@patient", "trial_uid": "@trial"}
manual_payment         | manual_payment at trial_site                                    | {"patient_uid": "@patient", "trial_uid": "@trial", "amount": 1}
travel_payment         | travel_payment at trial_site                                    | {"patient_uid": "@patient", "trial_uid": "@trial", "amount": 1}
get_patient_payments   | view_payments at trial_site                                     | {"patient_uid": "@patient", "trial_uid": "@trial"}
approve_payment        | approve_payments at trial_site                                  | {"payment_uid": "@payment"}
approve_payment        | approve_travel or approve_payments at trial_site                | {"payment_uid": "@travel"}
approve_payments       | any                                                             | {"uids": ["@payment"], "note": "N"}
pending_payments       | any                                                             | {}
get_approvals          | view_payments at trial_site                                     | {"payment_uid": "@approved"}
set_approval_rules     | edit_trial at trial, approve_payments at trial                  | {"trial_uid": "@trial", "tiers": [{"above": 100, "approvers": 2}], "note": "N"}
reject_payment         | approve_payments at trial_site                                  | {"payment_uid": "@payment", "note": "N"}
reject_payment         | approve_travel or approve_payments at trial_site                | {"payment_uid": "@travel", "note": "N"}
reject_payments        | any                                                             | {"uids": ["@payment"], "note": "N"}
cancel_payment         | approve_payments at trial_site                                  | {"payment_uid": "@approved", "note": "N"}
replace_card           | replace_card at trial_site                                      | {"patient_uid": "@patient", "reason": "lost", "note": "N"}
request_reversal       | manual_payment at trial_site                                    | {"payment_uid": "@paid", "reason": "other", "note": "N"}
request_reversal       | milestone_payment at trial_site                                 | {"payment_uid": "@paid_milestone", "reason": "other", "note": "N"}
request_reversal       | travel_payment at trial_site                                    | {"payment_uid": "@paid_travel", "reason": "other", "note": "N"}
move_payment           | manual_payment at trial_site                                    | {"payment_uid": "@paid", "to_patient_uid": "@neighbour", "note": "N"}
move_payment           | milestone_payment at trial_site                                 | {"payment_uid": "@paid_milestone", "to_patient_uid": "@neighbour", "note": "N"}
move_payment           | travel_payment at trial_site                                    | {"payment_uid": "@paid_travel", "to_patient_uid": "@neighbour", "note": "N"}
get_reversals          | view_payments at trial_site                                     | {"patient_uid": "@patient", "trial_uid": "@trial"}
approve_reversal       | approve_payments at trial_site                                  | {"reversal_uid": "@reversal", "note": "N"}
approve_reversal       | approve_travel or approve_payments at trial_site                | {"reversal_uid": "@travel_reversal", "note": "N"}
recover                | approve_payments at trial_site                                  | {"reversal_uid": "@owed_reversal", "note": "N"}
write_off              | approve_payments at trial_site                                  | {"reversal_uid": "@owed_reversal", "note": "N"}
set_low_funds          | admin                                                           | {"contract_uid": "@contract", "amount": 1, "note": "N"}
set_recovery           | admin                                                           | {"contract_uid": "@contract", "share": 10, "note": "N"}
reject_reversal        | approve_travel or approve_payments at trial_site                | {"reversal_uid": "@travel_reversal", "note": "N"}
reject_reversal        | approve_payments at trial_site                                  | {"reversal_uid": "@reversal", "note": "N"}
trial_payment_report   | view_report at trial                                            | {"trial_uid": "@trial"}
funding_report         | view_report at contract                                         | {"contract_uid": "@contract"}
report                 | nothing                                                         | {"uid": "@report"}
bastion_event          | nothing, answers unknown_action                                 | {}
dash_shipping_update   | nothing, answers unknown_action                                 | {}
ask_card               | operator                                                        | {}
await_partner          | operator                                                        | {}
bastion_events         | operator                                                        | {}
cards                  | operator                                                        | {}
cards_expiring         | operator                                                        | {}
configure_partner      | operator                                                        | {}
decide_reversal        | operator                                                        | {}
disable_payouts        | operator                                                        | {}
enable_payouts         | operator                                                        | {}
hold_payouts           | operator                                                        | {}
look_up_payout         | operator                                                        | {}
message_received       | operator                                                        | {}
move_balance           | operator                                                        | {}
notices                | operator                                                        | {}
order_cards            | operator                                                        | {}
partner_preview        | operator                                                        | {}
partner_request        | operator                                                        | {}
partner_tasks          | operator                                                        | {}
participations         | operator                                                        | {}
payout_attempts        | operator                                                        | {}
payout_keys            | operator                                                        | {}
reconcile_funding      | operator                                                        | {}
refresh_bastion        | operator                                                        | {}
refresh_dash           | operator                                                        | {}
relay_numbers          | operator                                                        | {}
release_payouts        | operator                                                        | {}
remove_trial_partner   | operator                                                        | {}
remove_webhook         | operator                                                        | {}
resend_webhook         | operator                                                        | {}
reseal_accounts        | operator                                                        | {}
rotate_payout_key      | operator                                                        | {}
rotate_webhook         | operator                                                        | {}
resend_card_link       | operator                                                        | {}
resolve_card           | operator                                                        | {}
resolve_notice         | operator                                                        | {}
resolve_payout         | operator                                                        | {}
resolve_task           | operator                                                        | {}
retry_participation    | operator                                                        | {}
retry_payout           | operator                                                        | {}
correct_funding        | admin                                                           | {"funding_uid": "@funding", "note": "N"}
withdraw_funding       | admin                                                           | {"contract_uid": "@contract", "amount": 1, "note": "N", "reference": "N"}
return_payment         | operator                                                        | {}
reverse_payment        | operator                                                        | {}
set_consent            | operator                                                        | {}
merge_patients         | operator                                                        | {}
similar_patients       | operator                                                        | {}
set_participation_details | operator                                                        | {}
set_payment_notices    | operator                                                        | {}
set_template           | operator                                                        | {}
set_trial_partner      | operator                                                        | {}
set_webhook            | operator                                                        | {}
settle_payout          | operator                                                        | {}
templates              | operator                                                        | {}
trial_partners         | operator                                                        | {}
verify_ledger          | operator                                                        | {}
webhooks               | operator                                                        | {}
worker_status          | operator                                                        | {}
