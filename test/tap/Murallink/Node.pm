package Murallink::Node;

# A PostgreSQL::Test::Cluster in which murallink is installed: where there is a template (see Murallink::Stack), a copy.
#
#   my $node = Murallink::Node->new('name');
#   $node->init;

use strict;
use warnings;
use parent 'PostgreSQL::Test::Cluster';

use Murallink::Stack;

sub init
{
	my ($self, %params) = @_;
	return $self->SUPER::init(%params)
	  unless $self->{installed} = Murallink::Stack::copy_template($self->data_dir, $ENV{MURALLINK_LOCALE} || 'C.UTF-8');
	return $self->append_conf('postgresql.conf', <<"EOC");
fsync = off
jit = off
restart_after_crash = off
log_line_prefix = '%m [%p] %q%a '
log_statement = all
wal_level = minimal
max_wal_senders = 0
port = ${\$self->port}
unix_socket_directories = '${\$self->host}'
listen_addresses = ''
EOC
}

1;
