#!/usr/bin/perl
# Requests through PostgREST, on servers of its own:
#
# - POST /rpc/milestone_payment of 16 clients, each time the first payment of a milestone, in a session; against a function
#   of an owner, SECURITY DEFINER as well, that is given all columns of the row of the payment and inserts it in a table with
#   the same columns, constraints and indexes, without a session. It writes no audit and no funds.
# - The page of docs/applications.md, "payments of my site with names", 50 of the thousand rows that each of 2,000 sites has, as
#   a coordinator of the site; against the same request as the owner of the tables, which PostgREST becomes by a token. Also
#   without the filter that the owner needs; and for a user with grants on every client, and an admin.
#
# Both sides of a line are asked in turn. An answer other than 200 is a failure. Arguments: payments or pages; by default both.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::RealBin/../tap";
use MIME::Base64 qw(encode_base64url);
use Murallink::Stack;

my $seconds = $ENV{BENCH_SECONDS} // 3;
my $rounds = $ENV{BENCH_ROUNDS} // 9;
my $patients = $ENV{BENCH_PATIENTS} // 200_000;
my $secret = 'a secret of the benchmark, with 32 bytes or more';
my $scripts = tempdir(CLEANUP => 1);

# A stack whose PostgREST also has the schema bench, which a file makes, with the number of patients and sites.
sub stack_with
{
	my ($file, $sql) = @_;
	my $stack = Murallink::Stack->new(dir => abs_path(tempdir(CLEANUP => 1)), postgrest => qq{jwt-secret = "$secret"\n});
	$stack->start_installed(($ENV{STACK_CONF} // '') . "\ncheckpoint_timeout = 1d\nmax_wal_size = 8GB\n");
	$stack->sql('CREATE ROLE bench LOGIN');
	my @psql = ($stack->psql, qw(-v ON_ERROR_STOP=1 -o /dev/null -f), "$FindBin::RealBin/$file");
	system(@psql, '-v', "patients=$patients", '-v', 'sites=' . $patients / 100) == 0 or die "$file has failed\n";
	$stack->sql($sql);
	local $ENV{PGRST_DB_SCHEMAS} = 'murallink, bench';
	$stack->start_postgrest;
	return $stack;
}

# A session of a user.
sub session_of
{
	my ($stack, $email) = @_;
	return $stack->sql(
		"SET ROLE murallink_owner; SELECT murallink_private.open_session(uid) FROM murallink.app_user WHERE email = '$email'");
}

# A token with which PostgREST becomes a role.
sub token_of
{
	my ($role) = @_;
	my $text = join '.', map { encode_base64url($_) } '{"alg":"HS256"}', qq({"role":"$role"});
	return "$text." . encode_base64url(hmac_sha256($text, $secret));
}

# Requests a second of wrk's clients, and how many were answered. The script in Lua makes them.
sub ask
{
	my ($stack, $clients, $lua) = @_;
	open my $file, '>', "$scripts/lua" or die "$scripts/lua: $!\n";
	print $file $lua, <<'EOC';
local threads = 0
function setup(thread) thread:set("number", threads); threads = threads + 1 end
function done(summary)
	local e = summary.errors
	print("answered", summary.requests, summary.duration, e.status + e.connect + e.read + e.write + e.timeout)
end
EOC
	close $file or die "$scripts/lua: $!\n";
	my $said = qx(wrk -t 2 -c $clients -d $seconds -s $scripts/lua $stack->{url} 2>&1);
	my ($requests, $duration, $failed) = $said =~ /^answered\s+(\d+)\s+(\d+)\s+(\d+)$/m or die $said;
	die "$failed requests have failed\n$said" if $failed > 0;
	return ($requests / $duration * 1e6, $requests);
}

# Prints the median of ratios.
sub say_ratio
{
	my ($what, $goal, @ratios) = @_;
	my @sorted = sort { $a <=> $b } @ratios;
	printf "%s: ratio %.2f%s\n", $what, $sorted[ $#sorted / 2 ], $goal ? " (at least $goal)" : '';
	return;
}

sub payments
{
	my $stack = stack_with('payment.sql', <<'EOC');
CREATE TABLE bench.paid (LIKE murallink_private.payment INCLUDING ALL);
CREATE FUNCTION bench.insert_payment(
    client_uid murallink.ksuid, contract_uid murallink.ksuid, trial_uid murallink.ksuid, site_uid murallink.ksuid, trial_site_uid murallink.ksuid,
    patient_uid murallink.ksuid, enrollment_uid murallink.ksuid, milestone_uid murallink.ksuid, name text, amount numeric, note text
) RETURNS murallink.ksuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made murallink.ksuid;
BEGIN
    INSERT INTO bench.paid (
        client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, patient_uid, enrollment_uid, payment_type, milestone_uid, milestone_name,
        milestone_code, occurrence, amount, currency, note, requested_by_uid, chain_uid)
    VALUES (
        insert_payment.client_uid, insert_payment.contract_uid, insert_payment.trial_uid, insert_payment.site_uid, insert_payment.trial_site_uid,
        insert_payment.patient_uid, insert_payment.enrollment_uid, 'milestone', insert_payment.milestone_uid, name, name, 1, insert_payment.amount,
        'USD', insert_payment.note, insert_payment.client_uid, insert_payment.enrollment_uid)
    RETURNING uid INTO made;
    RETURN made;
END
$$;
EOC
	my $session = session_of($stack, 'bench@example.com');
	# Each of wrk's threads pays its own patients, week by week.
	my $pick = <<'EOC';
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = -1
function uid(kind, number) return string.format("2D5YrMBp4s5Z4oz%s%09d", kind, number) end
function pick()
	n = n + 1
	local p, w = number * 10000 + n % 10000, math.floor(n / 10000)
	return p, w, p % 64
end
EOC
	my $ours = $pick . qq(wrk.headers["Session-Id"] = "$session"\n) . <<'EOC';
function request()
	local p, w, g = pick()
	return wrk.format(nil, "/rpc/milestone_payment", nil, string.format('{"patient_uid":"%s","milestone_uid":"%s","note":"bench"}',
		uid("pat", p), uid("mil", g * 100 + w)))
end
EOC
	my $unchecked = $pick . <<'EOC';
wrk.headers["Content-Profile"] = "bench"
function request()
	local p, w, g = pick()
	return wrk.format(nil, "/rpc/insert_payment", nil, string.format('{"client_uid":"%s","contract_uid":"%s","trial_uid":"%s",' ..
		'"site_uid":"%s","trial_site_uid":"%s","patient_uid":"%s","enrollment_uid":"%s","milestone_uid":"%s","name":"Week %d",' ..
		'"amount":100,"note":"bench"}', uid("cli", 0), uid("con", g), uid("tri", g), uid("sit", g), uid("tsi", g), uid("pat", p),
		uid("enr", p), uid("mil", g * 100 + w), w))
end
EOC
	my @ratios;
	foreach (0 .. $rounds)
	{
		my ($insert) = asked_from_nothing($stack, $unchecked, 'bench.paid');
		my ($pay) = asked_from_nothing($stack, $ours, 'murallink_private.payment');
		print STDERR "$insert $pay\n";
		push @ratios, $pay / $insert;
	}
	# The first round fills the caches of PostgREST's connections.
	shift @ratios;
	say_ratio('POST /rpc/milestone_payment of 16 clients, against a function that inserts the same row unchecked', 0.85, @ratios);
	return;
}

# Has payments made, after all that was paid before is forgotten. Each answer is a row.
sub asked_from_nothing
{
	my ($stack, $lua, $table) = @_;
	$stack->sql(<<'EOC');
SET session_replication_role = replica;
DELETE FROM murallink_private.payment;
DELETE FROM murallink.fund_entry WHERE movement <> 'deposit';
DELETE FROM murallink_private.audit_event;
UPDATE murallink.fund_slot SET available = available + reserved, reserved = 0;
TRUNCATE bench.paid;
EOC
	$stack->sql($_) foreach 'VACUUM murallink_private.payment, murallink.fund_entry, murallink_private.audit_event, murallink.fund_slot', 'CHECKPOINT';
	my ($each_second, $answered) = ask($stack, 16, $lua);
	my $made = $stack->sql("SELECT count(*) FROM $table");
	die "$answered answers, and $made rows\n" if $made < $answered || $made > $answered + 16;
	return $each_second;
}

sub pages
{
	my $stack = stack_with('scale.sql', <<'EOC');
GRANT murallink_owner TO authenticator;
INSERT INTO murallink.app_user (email, user_role) VALUES ('admin.bench@example.com', 'admin');
SET session_replication_role = replica;
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, site_uid)
SELECT bench.uid('usr', 7), 'view_sites', 'site', uid, client_uid, contract_uid, uid FROM murallink.site WHERE uid = bench.uid('sit', 7);
INSERT INTO murallink.permission_grant (app_user_uid, permission, resource, resource_uid, client_uid, contract_uid, trial_uid)
SELECT bench.uid('usr', 7), 'view_trials', 'trial', uid, client_uid, contract_uid, uid FROM murallink.trial WHERE uid = bench.uid('tri', 0);
CREATE EXTENSION pg_prewarm;
SELECT pg_prewarm(oid) FROM pg_class WHERE relnamespace::regnamespace::text ~ '^murallink' AND relkind IN ('r', 'i');
EOC
	my $site = $stack->sql("SELECT bench.uid('sit', 7)");
	my $mine = '/payment?select=amount,status,trial(name),site(name),patient(last_name),enrollment(subject_id)&status=eq.pending'
	  . '&order=created_at&limit=50';
	my $same = "$mine&site_uid=eq.$site";
	my %asker = (
		owner => [ 'murallink_owner', '', $same ],
		coordinator => [ 'web_anon', session_of($stack, 'user7@example.com'), $same ],
		unfiltered => [ 'web_anon', session_of($stack, 'user7@example.com'), $mine ],
		clients => [ 'web_anon', session_of($stack, 'clients@example.com'), $same ],
		admin => [ 'web_anon', session_of($stack, 'admin.bench@example.com'), $same ]);
	my @names = qw(owner coordinator unfiltered clients admin);
	my %page = map { $_ => page($stack, @{ $asker{$_} }) } @names;
	foreach my $name (@names) { die "$name: $page{$name}\n" unless $page{$name} eq $page{owner} }
	my %ratios;
	foreach (0 .. $rounds)
	{
		my @asked = map { (ask($stack, 8, page_lua(@{ $asker{$_} })))[0] } @names;
		print STDERR "@asked\n";
		push @{ $ratios{ $names[$_] } }, $asked[$_] / $asked[0] foreach 1 .. $#names;
	}
	my %what = (
		coordinator => 'as a coordinator', unfiltered => 'as a coordinator, with no filter by site',
		clients => 'with a grant on every client', admin => 'as an admin');
	foreach my $name (@names[ 1 .. $#names ])
	{
		shift @{ $ratios{$name} };
		say_ratio("the page \"payments of my site with names\" $what{$name}, against the owner of the tables",
			$name eq 'coordinator' ? 0.8 : undef, @{ $ratios{$name} });
	}
	return;
}

# A script that asks for a page.
sub page_lua
{
	my ($role, $session, $path) = @_;
	my $header = $session eq '' ? '' : qq(wrk.headers["Session-Id"] = "$session"\n);
	return qq(wrk.headers["Authorization"] = "Bearer ${\token_of($role)}"\n$header) . qq(wrk.path = "$path"\n);
}

# The page itself.
sub page
{
	my ($stack, $role, $session, $path) = @_;
	my %headers = (Authorization => 'Bearer ' . token_of($role), $session eq '' ? () : ('Session-Id' => $session));
	my $answer = HTTP::Tiny->new->get("$stack->{url}$path", { headers => \%headers });
	die "$answer->{status} $answer->{content}\n" unless $answer->{status} == 200 && $answer->{content} =~ /"name":.*"name":.*"S-/;
	return $answer->{content};
}

my %part = (payments => \&payments, pages => \&pages);
$part{$_}->() foreach @ARGV ? @ARGV : qw(payments pages);
