# A request counts once in a zone of the fleet too: what else it does while
# Redis is asked waits for the answer.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(processes => 1, location => 'return 404;',
                             weir_redis => 'timeout=500ms',
                             http => <<'END', server => <<'END2');
    weir_limit_zone $http_k zone=two:1m quota=2/month scope=fleet;
END
    location /page { ssi on; ssi_types *; alias html/page; }
    location /part { weir_limit zone=two; alias html/part; }
    location /mirror { mirror /part; try_files /none /part; }
    location /deny { ssi on; ssi_types *; alias html/deny; }
    location /denied { weir_limit zone=two on_error=deny; alias html/part; }
END2

my $d = $stack->dir;
mkdir "$d/html";
Weir::Stack::write_file("$d/html/part", "part\n");

for my $name (qw(page:part deny:denied)) {
    my ($page, $part) = split /:/, $name;
    Weir::Stack::write_file("$d/html/$page", join '',
        map { qq(<!--#include virtual="/$part?n=$_" -->) } 1 .. 3);
}

$stack->start('redis', 'nginx');

sub get { $stack->ask($_[0], no_key => 1, headers => ["K: $_[1]"]) }
sub parts { my $n = () = $_[0]->body =~ /^part$/mg; $n }

is(join(',', map { parts(get('/page', 'a')) } 1 .. 4), '3,3,0,0',
   'all parts of a page, or none');
is(join(',', map { get('/mirror', 'b')->status } 1 .. 4), '200,200,429,429',
   'what is mirrored and then redirected');

# a client that leaves while its parts wait, and a Redis that does not answer

kill 'STOP', $stack->pid('redis');

my @c = map { $stack->request('/page', no_key => 1, headers => ["K: c$_"]) }
            1 .. 5;
my $c = $stack->request('/deny', no_key => 1, headers => ['K: d']);
$_->close for @c;
$c->wait(5);
is(parts($c), 0, 'nothing is let through undecided');

kill 'CONT', $stack->pid('redis');
$stack->wait_for(10, sub { parts(get('/denied', 'e' . rand)) }, 'Redis again');
is(parts(get('/page', 'f')), 3, 'and goes on');

$stack->end;
done_testing;
