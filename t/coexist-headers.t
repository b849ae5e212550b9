# A module that changes the request's headers behind the gate, which has taken
# some out of nginx's list: whatever it adds must find room there.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $up = Weir::Stack::free_port();
my $modules = '/usr/lib/nginx/modules';

local $ENV{TEST_NGINX_LOAD_MODULES} = join ' ',
    "$modules/ndk_http_module.so", "$modules/ngx_http_lua_module.so",
    $ENV{TEST_NGINX_LOAD_MODULES};
local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '')
                           =~ s/detect_leaks=1/detect_leaks=0/r;

my $stack = Weir::Stack->new(location => 'return 404;',
                             weir_redis => '127.0.0.1:9', server => <<"END",
    location /add/ {
        weir_auth on;
        access_by_lua_block {
            for i = 1, 45 do ngx.req.set_header("L" .. i, i) end
        }
        proxy_pass http://127.0.0.1:$up;
    }
    location /clear/ {
        weir_auth on;
        access_by_lua_block {
            ngx.req.clear_header("A10")
            ngx.req.set_header("X-Weir-Tier", "lua")
            ngx.req.set_header("Authorization", "Bearer upstream")
        }
        proxy_pass http://127.0.0.1:$up;
    }
END
    http => <<"END");
    lua_load_resty_core off;
    underscores_in_headers on;
    server {
        listen 127.0.0.1:$up;
        client_header_buffer_size 32k;
        location / { echo -n \$echo_client_request_headers; }
    }
END

my $key = $stack->key;
my ($id) = $key =~ /^weir_[a-z0-9]+_([^_]+)_/;

$stack->start('nginx');


# the headers that the upstream got, without those of the hop

sub lines {
    my ($head) = @_;

    return [sort grep { !/^(?:Host|Connection): / }
                 grep { length } split /\r\n/, $head =~ s/^.*?\r\n//r];
}

my @ours = ("X-Weir-Key-Id: $id", 'X-Weir-Owner: alice',
            'X-Weir-Tier: default');
my @client = ('X-Weir-Owner: root', 'X_Weir_Owner: root',
              'X-WEIR-KEY-ID: root', 'X-Weir-Tier: gold', 'X_API_Key: weir_x');
my @other = map { "A$_: $_" } 10 .. 60;
my @late = map { "L$_: $_" } 1 .. 45;

for my $n (0 .. 22) {
    my @headers = @other[0 .. $n];

    for my $theirs ([], \@client) {
        my $c = $stack->ask('/add/', no_key => 1,
                            headers => [@headers, @$theirs, "X-API-Key: $key"]);

        is_deeply(lines($c->body), [sort @headers, @ours, @late],
                  "headers added behind $n others and " . @$theirs);
    }
}

my $c = $stack->ask('/clear/', headers => ['A10: x', 'B: y']);

is_deeply(lines($c->body),
          [sort 'Authorization: Bearer upstream', 'B: y', 'X-Weir-Tier: lua',
           grep { !/tier/i } @ours], 'headers cleared and changed');

$stack->end;

done_testing();
