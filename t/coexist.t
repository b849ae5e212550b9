# Beside other modules in one nginx: Debian's nchan, which brings a hiredis of
# its own, Lua and echo.  All of them still work, in either order of loading.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $modules = '/usr/lib/nginx/modules';
my ($weir) = grep { /weir/ } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
my @others = map { "$modules/$_.so" }
             qw(ndk_http_module ngx_http_lua_module ngx_nchan_module
                ngx_http_echo_module);

# leaks of the others, and of LuaJIT, are not ours to find

local $ENV{ASAN_OPTIONS} = ($ENV{ASAN_OPTIONS} // '')
                           =~ s/detect_leaks=1/detect_leaks=0/r;

# nchan's scripts and keys are not of our contract: a Redis of its own

my $nchan = Weir::Stack->new(redis => "appendonly no\n");
$nchan->start('redis');

my $http = <<END;
    upstream nchan_redis {
        nchan_redis_server redis://127.0.0.1:$nchan->{redis_port};
    }
END

my $server = <<'END';
    location = /echo { echo hello; }
    location = /lua { content_by_lua_block { ngx.say("lua " .. 6 * 7) } }
    location = /pub { nchan_publisher; nchan_channel_id $arg_c; }
    location = /sub { nchan_subscriber longpoll; nchan_channel_id $arg_c; }
    location = /rpub {
        nchan_publisher;
        nchan_channel_id $arg_c;
        nchan_redis_pass nchan_redis;
    }
    location = /rsub {
        nchan_subscriber longpoll;
        nchan_channel_id $arg_c;
        nchan_redis_pass nchan_redis;
    }
    location /filtered/ {
        weir_api;
        access_by_lua_block {
            if ngx.var.arg_deny then ngx.exit(403) end
        }
        header_filter_by_lua_block { ngx.header["X-Lua"] = "seen" }
    }
    location = /capture {
        content_by_lua_block {
            local r = ngx.location.capture("/v1/models")
            ngx.say(r.status)
        }
    }
    location = /echo-capture { echo_location /v1/models; }
    location = /log {
        content_by_lua_block { ngx.say(ngx.var.weir_request_id or "none") }
    }
END


sub body {
    my ($text) = @_;

    return encode_json({ model => 'mock-1', messages => [
        { role => 'user', content => $text }] });
}


for (['before the others', $weir, @others], ['after the others', @others,
                                             $weir])
{
    my ($name, @order) = @$_;

    local $ENV{TEST_NGINX_LOAD_MODULES} = "@order";

    my $stack = Weir::Stack->new(location => 'weir_api;', http => $http,
                                 server => $server);
    $stack->start;

    my $plain = sub { $stack->ask($_[0], no_key => 1, @_[1 .. $#_])->body };

    # theirs

    is($plain->('/echo'), "hello\n", "$name: echo");
    is($plain->('/lua'), "lua 42\n", "$name: Lua");

    for my $redis ('', 'r') {
        my $channel = $name =~ s/ /-/gr;
        my $publish = sub {
            return $stack->ask("/${redis}pub?c=$_[0]", no_key => 1,
                               body => 'news',
                               headers => ['Content-Type: text/x'])->status;
        };

        # it connects to its Redis on its own time

        $stack->wait_for(10, sub { $publish->("probe-$channel") =~ /^20/ },
                         'nchan');

        my @subscribers = map {
            $stack->request("/${redis}sub?c=$channel", no_key => 1)
        } 1 .. 4;

        is($publish->($channel) =~ /^20/, 1, "$name: published");
        ok(Weir::Client::wait_all(10, @subscribers), "$name: received");
        is(join(' ', map { $_->body } @subscribers), 'news news news news',
           "$name: nchan" . ($redis ? ' through Redis' : ''));
    }

    # ours

    my $c = $stack->ask('/v1/chat/completions', body => body('Hi'));
    is($c->status, 200, "$name: a completion");
    like($c->body, qr/Echo: Hi/, 'its text');

    $c = $stack->ask('/filtered/v1/chat/completions', body => body('Hi'));
    is($c->status, 200, "$name: a completion through Lua");
    is($c->header('X-Lua'), 'seen', 'which has seen it');

    $c = $stack->ask('/filtered/v1/models?deny=1');
    is($c->status, 403, "$name: Lua refuses");
    is(decode_json($c->body)->{error}{code}, 'insufficient_scope',
       "in the route's dialect");

    $c = $stack->ask('/filtered/v1/models', no_key => 1);
    is($c->status, 401, "$name: and never lets in");

    # a subrequest is no way round the key

    for ('/capture', '/echo-capture') {
        my $c = $stack->ask($_, no_key => 1);
        unlike($c->body, qr/^200|mock-1/, "$name: $_ without a key");
    }

    $stack->ask($_) for '/capture', '/echo-capture';
    is($plain->('/log'), "none\n", "$name: a variable of ours in Lua");

    # both at once

    my @all = map {
        ($stack->request('/v1/chat/completions',
                         body => body("[[mock delay=50]] $_")),
         $stack->request('/lua', no_key => 1))
    } 1 .. 30;

    ok(Weir::Client::wait_all(10, @all), "$name: many at once");
    is(scalar(grep { $_->status == 200 } @all), 60, 'all are answered');

    # and through a reload

    my @old = $stack->children('nginx');
    $stack->signal('nginx', 'HUP');
    $stack->wait_for(15, sub {
        my %now = map { $_ => 1 } $stack->children('nginx');
        return !grep { $now{$_} } @old;
    }, 'new processes');

    is($plain->('/lua'), "lua 42\n", "$name: Lua after a reload");
    is($stack->ask('/v1/chat/completions', body => body('Hi'))->status, 200,
       "$name: a completion after a reload");

    $stack->end;
}

$nchan->end;

done_testing();
