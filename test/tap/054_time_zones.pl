# Local times in every zone of the tz database, compared with another reader of it: Python's zoneinfo.

use strict;
use warnings;

use JSON::PP;
use Murallink::Node;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Murallink::Node->new('time_zones');
$node->init;
$node->append_conf('postgresql.conf', $Murallink::Stack::conf . "murallink.databases = ''\n");
$node->start;
my $stack = Murallink::Stack->new(node => $node);
$stack->install;

# A morning of each season, in this year and the next.
my @mornings = map { my $year = (gmtime)[5] + 1900 + $_; ("$year-01-15T09:00:00", "$year-07-15T09:00:00") } 0 .. 1;
my $list = join ', ', map { "'$_'" } @mornings;
my $python = <<'EOC';
import datetime, sys, zoneinfo
for zone in sorted(zoneinfo.available_timezones()):
    for morning in sys.argv[1:]:
        local = datetime.datetime.fromisoformat(morning).replace(tzinfo=zoneinfo.ZoneInfo(zone))
        print(zone, morning, local.astimezone(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'))
EOC
my ($expected, $errors) = run_command([ 'python3', '-c', $python, @mornings ]);
my %expected = map { my ($zone, $morning, $utc) = split / /; ("$zone $morning" => $utc) } split /\n/, $expected;
cmp_ok(scalar(keys %expected), '>', 2000, 'there is something to compare with');

my @known = split /\n/, $stack->sql(<<"EOC");
SELECT z.name || ' ' || m || ' ' || to_char(murallink_private.moment_in_zone(m::timestamp, z.name) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    || ' ' || to_char(murallink_private.local_time(murallink_private.moment_in_zone(m::timestamp, z.name), z.name), 'YYYY-MM-DD"T"HH24:MI:SS')
FROM pg_timezone_names z, unnest(ARRAY[$list]) AS m WHERE murallink_private.known_time_zone(z.name)
EOC
my (@differ, @back, $compared);
foreach (@known)
{
	my ($zone, $morning, $utc, $again) = split / /;
	push @back, $zone if $again ne $morning;
	my $wanted = $expected{"$zone $morning"} // next;
	push @differ, "$zone $morning: $utc, not $wanted" if $utc ne $wanted;
	$compared++;
}
is("@differ", '', 'every zone keeps its own time, in winter and in summer');
is("@back", '', 'and what time it is there is the same the other way round');
cmp_ok($compared, '>', 2000, 'all of them');

note 'appointments';
my $zones = join ', ', map { "'$_'" } qw(CET EET MET WET Europe/Paris EST5EDT);
my %summer = map { split / / } split /\n/, $stack->sql(<<"EOC");
CREATE ROLE booker LOGIN IN ROLE murallink_client;
UPDATE murallink.app_user SET db_role = 'booker' WHERE user_role = 'admin';
CREATE TABLE public.booked (zone text, appointment murallink.ksuid);
GRANT INSERT, SELECT ON public.booked TO booker;
SET SESSION AUTHORIZATION booker;
DO \$\$
DECLARE
    client murallink.ksuid := (murallink.create_client('Client')).uid;
    contract murallink.ksuid := (murallink.create_contract(client, 'Contract', currency => 'USD')).uid;
    trial murallink.ksuid := (murallink.create_trial(contract, 'Trial')).uid;
    site murallink.ksuid := (murallink.create_site('Site', trial)).uid;
    patient murallink.ksuid;
    zone text;
BEGIN
    FOREACH zone IN ARRAY ARRAY[$zones] LOOP
        patient := (murallink.add_patient(site, 'Pat', 'Ient', time_zone => zone)).uid;
        PERFORM murallink.enroll(patient, trial, site, zone);
        INSERT INTO public.booked
        SELECT zone, uid FROM murallink.schedule_appointment(patient_uid => patient, datetime => '$mornings[3]');
    END LOOP;
END
\$\$;
RESET SESSION AUTHORIZATION;
SELECT b.zone || ' ' || to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM public.booked b
JOIN murallink.appointment a ON a.uid = b.appointment;
EOC
is($summer{$_}, $expected{"$_ $mornings[3]"}, "an appointment in summer in $_") foreach sort keys %summer;
is(scalar(keys %summer), 6, 'of each');

done_testing();
