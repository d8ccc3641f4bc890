package Murallink::Mail;

# People to write to, on a stack with the mail server of test/sandbox/smtp.py; its mailbox is the judge.
#
#   my $mail = Murallink::Mail->new;
#   $mail->configure('starttls');
#   $mail->bulk('Subject', 'Text', qw(grey1 good1));  # to new patients, grey1@example.com and good1@example.com
#   my ($message) = $mail->arrived('good1@example.com');

use strict;
use warnings;
use utf8;
use parent 'Murallink::Payouts';

use Encode qw(decode encode);
use JSON::PP ();
use JSON::XS qw(decode_json);
use MIME::Base64;
use MIME::QuotedPrint;
use Murallink::Stack;

my @ways = qw(starttls tls plain);

sub new
{
	my ($class, %arg) = @_;
	my $self = $class->SUPER::new(%arg);
	@{ $self->{port} }{@ways} = @{ $self->stack->start_mail->{mail_ports} };
	return $self;
}

sub dir { return $_[0]->stack->{dir} }

# The address of the server: starttls, tls or plain.
sub url { my ($self, $way) = @_; return ($way eq 'tls' ? 'smtps' : 'smtp') . "://127.0.0.1:$self->{port}{$way}" }

# Has mail sent there, with these settings. Until a test has looked at a message that the server keeps, it must not end
# by itself.
sub configure
{
	my ($self, $way, %settings) = @_;
	return $self->call(configure_partner => $self->arguments($way, %settings));
}

sub arguments
{
	my ($self, $way, %settings) = @_;
	my %initial = (from => 'trials@example.org', from_name => 'Prüfung, GmbH', ca_file => $self->dir . '/cert.pem',
		require_tls => $way eq 'plain' ? JSON::PP::false : JSON::PP::true, timeout => 120);
	return 'smtp', $self->url($way), { %initial, %settings },
	  $way eq 'plain' ? {} : { username => 'murallink', password => 'mail secret' };
}

# Patients with these names before an address, who want e-mail.
sub people
{
	my ($self, @names) = @_;
	return $self->enroll('VALUES ' . join ', ', map { "('$_\@example.com')" } @names);
}

# The same, with the addresses that a query has.
sub enroll
{
	my ($self, $query) = @_;
	$self->take_in(<<"EOC");
INSERT INTO murallink.patient (first_name, last_name, email, email_enabled, time_zone)
SELECT 'Pat', 'Patient', v.email, true, 'America/New_York' FROM ($query) AS v (email) RETURNING uid
EOC
	return;
}

# The patient of that name, whatever has become of the address.
sub patient
{
	my ($self, $name) = @_;
	return $self->sql("SELECT uid FROM murallink.patient WHERE split_part(email, '\@', 1) = '$name'");
}

# An appointment of a patient after some time.
sub appointment
{
	my ($self, $name, $after) = @_;
	my $patient = $self->patient($name);
	my $visit = $self->sql(<<"EOC");
INSERT INTO murallink.appointment (enrollment_uid, at, local_time, time_zone)
SELECT e.uid, t.at, t.at AT TIME ZONE 'America/New_York', 'America/New_York'
FROM murallink.enrollment e, (VALUES (now() + interval '$after')) AS t (at) WHERE e.patient_uid = '$patient'
RETURNING uid
EOC
	$self->sql("SELECT murallink_private.follow('appointment', '$visit')");
	return $visit;
}

# A message to new patients, and to such as there are.
sub bulk
{
	my ($self, $title, $text, @names) = @_;
	$self->people(@names);
	return $self->bulk_again($title, $text, @names);
}

sub bulk_again
{
	my ($self, $title, $text, @names) = @_;
	my $list = join ', ', map { "'$_'" } @names;
	$self->sql(encode('UTF-8', <<"EOC"));
WITH mail AS (
    INSERT INTO murallink_private.bulk_email (client_uid, contract_uid, trial_uid, site_uid, subject, body)
    SELECT client_uid, contract_uid, trial_uid, site_uid, \$t\$$title\$t\$, \$t\$$text\$t\$ FROM public.place
    RETURNING uid
), made AS (
    INSERT INTO murallink_private.notice (kind, channel, patient_uid, bulk_email_uid)
    SELECT 'bulk_email', 'email', p.uid, m.uid
    FROM mail m, murallink.patient p WHERE split_part(p.email, '\@', 1) IN ($list)
    RETURNING uid
)
SELECT murallink_private.notices_send(array_agg(uid)) FROM made
EOC
	return;
}

# The last notice of a patient; how it stands.
sub notice
{
	my ($self, $name) = @_;
	my $patient = $self->patient($name);
	return $self->sql(<<"EOC");
SELECT uid FROM murallink_private.notice WHERE patient_uid = '$patient' ORDER BY created_at DESC LIMIT 1
EOC
}

sub status
{
	my ($self, $name) = @_;
	return $self->sql("SELECT status || ' ' || attempt FROM murallink.notices('" . $self->notice($name) . "')");
}

# Waits until the last notice of a patient has that status.
sub wait_status
{
	my ($self, $name, $status) = @_;
	my $notice = $self->notice($name);
	return $self->wait_for("SELECT status || ' ' || attempt LIKE '$status%' FROM murallink.notices('$notice')");
}

# Has the worker try what waits for its time at once.
sub hurry
{
	my ($self, $name) = @_;
	my $notice = $self->notice($name);
	return $self->sql(<<"EOC");
UPDATE murallink_private.call SET due_at = now() - interval '1 hour' WHERE uid = '$notice'
EOC
}

# The process id of the worker that sends mail, once it runs.
sub mail_worker
{
	my ($self) = @_;
	$self->wait_for(q{SELECT pid IS NOT NULL FROM murallink_private.worker_slot('smtp')});
	return $self->sql(q{SELECT pid FROM murallink_private.worker_slot('smtp')});
}

# Has the worker of mail end there, as kill -9 would, while something is done, and waits until the server has ended,
# which is set up not to start again by itself and to include crash.conf.
sub end_at
{
	my ($self, $point, $something) = @_;
	my $conf = $self->dir . '/data/crash.conf';
	my $worker = $self->mail_worker;
	open my $file, '>', $conf or die "crash.conf: $!\n";
	print $file "murallink.crash_point = 'mail.$point:1'\n";
	close $file;
	$self->sql('SELECT pg_reload_conf()');
	$self->wait_read($worker, "mail.$point:1");
	$self->quietly(sub { eval { $something->() }; $self->wait_ended });
	unlink $conf;
	return;
}

# What is in the mailbox: of one address, or with one event; with the parts of the messages.
sub mailbox { return map { $_->{parted} ? $_ : parted($_) } envelopes(@_) }

# The same without the parts. Only what has been added is read.
sub envelopes
{
	my ($self, %wanted) = @_;
	if (open my $file, '<', $self->dir . '/mailbox')
	{
		seek $file, $self->{mailbox_read} // 0, 0;
		foreach my $line (grep { /\n\z/ } <$file>)
		{
			push @{ $self->{mailbox} }, decode_json($line);
			$self->{mailbox_read} += length $line;
		}
	}
	return grep {
		my $entry = $_;
		!grep { $entry->{$_} ne $wanted{$_} } keys %wanted
	} @{ $self->{mailbox} // [] };
}

# An entry of the mailbox, with the parts of its message.
sub parted
{
	my ($entry) = @_;
	$entry->{parted} = 1;
	my ($head, $rest) = split /\r\n\r\n/, decode_base64($entry->{content}), 2;
	return $entry unless defined $rest;
	my ($boundary) = $head =~ m{^Content-Type: multipart/mixed; boundary=(\S+)\r?$}m or die "no boundary: $head\n";
	my ($part, $body) = $rest =~ /\A--\Q$boundary\E\r\n(.*?)\r\n\r\n(.*)\r\n--\Q$boundary\E--\r\n\z/s
	  or die "not of one part: $rest\n";
	@$entry{qw(head body)} = ($head, decode('UTF-8', decode_qp($body)));
	$entry->{lines} = [ split /\r\n/, "$head\r\n$rest" ];
	$entry->{part_headers} = [ split /\r\n/, $part ];
	$head =~ s/\r\n(?=[ \t])//g;
	$entry->{headers} = [ split /\r\n/, $head ];
	$entry->{subject} = decode('MIME-Header', ($head =~ /^Subject: *(.*?)\r?$/m)[0]);
	$entry->{lc $_ . '_name'} = decode('MIME-Header', ($head =~ /^$_: *(.*?) *<[^>]*>\r?$/m)[0]) foreach qw(To From);
	return $entry;
}

# Waits until a message for an address was taken, and returns all of them.
sub arrived
{
	my ($self, $address) = @_;
	eval { Murallink::Stack::poll("mail to $address", sub { $self->mailbox(to => $address, event => 'taken') }); 1 }
	  or die $@, $self->sql('SELECT kind, status, reason, attempt FROM murallink.notices()'), "\n",
	  $self->sql("SELECT * FROM murallink.worker_status() WHERE partner = 'smtp'"), "\n",
	  grep { /murallink|ERROR|WARN/ && !/statement/ } $self->stack->log_of('postgresql');
	return $self->mailbox(to => $address, event => 'taken');
}

1;
