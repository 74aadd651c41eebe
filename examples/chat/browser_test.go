package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tandem-go/tandem/examples/peers"
)

// driveChat is what the tests do in a browser, kept in ctx of the process that drives it. Every wait ends after ten seconds.
const driveChat = `
	ctx.browser = await browser();
	ctx.errors = [];
	ctx.open = async (url, name, room, opts = {}) => {
		const context = await ctx.browser.newContext(opts);
		context.setDefaultTimeout(10_000);
		const page = await context.newPage();
		page.on("pageerror", (err) => ctx.errors.push(name + ": " + err));
		page.on("console", (m) => { if (m.type() === "error") ctx.errors.push(name + ": " + m.text()) });
		await page.goto(url);
		await page.fill("#name", name);
		await page.fill("#first-room", room);
		await page.click("#enter button");
		await page.locator("#members").getByText(name + " (you)").waitFor();
		return page;
	};
	ctx.sees = (page, where, text) => page.locator(where).getByText(text, { exact: true }).first().waitFor();
	ctx.say = async (page, text) => {
		await page.fill("#text", text);
		await page.press("#text", "Enter");
	};`

// chatTogether has a user on each of two addresses see, read and lose each other; args are the two addresses, the room, and where
// pictures go.
const chatTogether = `
	const [a, b, room, pictures] = args;
	const alice = await ctx.open(a, "Alice", room);
	const bob = await ctx.open(b, "Bob", room);
	await ctx.sees(alice, "#members", "Bob");
	await ctx.sees(bob, "#members", "Alice");
	await ctx.sees(alice, "#log", "Bob joined");

	const unsafe = '<img src=x onerror="window.unsafe = true"> & "quotes"';
	await ctx.say(bob, unsafe);
	await ctx.sees(alice, "#log .text", unsafe);
	await ctx.say(alice, "Hello, Bob: żółw 🐢");
	await ctx.sees(bob, "#log .text", "Hello, Bob: żółw 🐢");

	await until(async () => { // a lost "typing" is only repeated by more typing
		await bob.locator("#text").pressSequentially("m");
		await sleep(200);
		return await alice.locator("#typing").textContent() === "Bob is typing...";
	});

	const carol = await ctx.open(a, "Carol", room, { viewport: { width: 390, height: 780 }, colorScheme: "dark" });
	await ctx.sees(carol, "#log .text", unsafe);
	await ctx.sees(bob, "#log", "Carol joined");
	await ctx.say(carol, "Late, but here");
	await ctx.sees(bob, "#log .text", "Late, but here");
	if (pictures) {
		await bob.screenshot({ path: pictures + "-wide.png" });
		await carol.screenshot({ path: pictures + "-narrow-dark.png" });
	}

	await carol.getByRole("button", { name: "music" }).click();
	await ctx.sees(carol, "#log", "You are in #music.");
	await ctx.sees(bob, "#log", "Carol left");
	await ctx.say(carol, "Anybody?");
	await ctx.sees(carol, "#log .text", "Anybody?");
	await alice.context().close();
	await ctx.sees(bob, "#log", "Alice left");

	const heard = await bob.locator("#log .text").allTextContents();
	const members = await bob.locator("#members li span:last-child").allTextContents();
	return { heard, members, errors: ctx.errors, unsafe: await bob.evaluate(() => "unsafe" in window) };`

type together struct {
	Heard   []string
	Members []string
	Errors  []string
	Unsafe  bool
}

func TestBrowserTabsChat(t *testing.T) {
	url := startChat(t, "")
	checkTogether(t, url, url, "one-server")
}

func TestBrowserTabsOnGoAndNodeChat(t *testing.T) {
	redis := peers.Redis(t)
	ours, nodes := startChat(t, redis.URL), startNodeChat(t, redis.URL)
	t.Run("newcomer on Go", func(t *testing.T) { checkTogether(t, ours, nodes, "go-and-node") })
	t.Run("newcomer on Node", func(t *testing.T) { checkTogether(t, nodes, ours, "node-and-go") })
}

func TestBrowserReconnects(t *testing.T) {
	port := peers.FreePort(t)
	first := startChatOn(t, port, "")
	tab := peers.Node(t)
	tab.Eval(t, nil, driveChat)
	tab.Eval(t, nil, `ctx.dora = await ctx.open(args[0], "Dora", "music")`, first.url)
	first.stop()
	tab.Eval(t, nil, `await ctx.sees(ctx.dora, "#state", "reconnecting")`)
	second := startChatOn(t, port, "")
	var room string
	tab.Eval(t, &room, `
		await ctx.sees(ctx.dora, "#state", "connected");
		await ctx.sees(ctx.dora, "#members", "Dora (you)");
		await ctx.say(ctx.dora, "Back again");
		await ctx.sees(ctx.dora, "#log .text", "Back again");
		return ctx.dora.locator("#room-name").textContent()`, second.url)
	if room != "music" {
		t.Errorf("after the reconnection the tab is in %q, want music", room)
	}
}

// The log shows the last message after a burst of them.
func TestBrowserFollowsABurst(t *testing.T) {
	url := startChat(t, "")
	tab := peers.Node(t)
	tab.Eval(t, nil, driveChat)
	var hidden float64
	tab.Eval(t, &hidden, `
		const page = await ctx.open(args[0], "Eve", "burst", { reducedMotion: "no-preference" });
		const bot = await connect(args[0], { auth: { name: "Bot" } });
		await bot.emitWithAck("join", "burst");
		for (let i = 0; i < 10; i++) {
			await Promise.all(Array.from({ length: 20 }, (_, n) => bot.emitWithAck("message", "message " + (i * 20 + n))));
		}
		await ctx.sees(page, "#log .text", "message 199");
		bot.disconnect();
		await ctx.sees(page, "#log", "Bot left");
		return page.evaluate(() => {
			const log = document.getElementById("log");
			return log.scrollHeight - log.scrollTop - log.clientHeight;
		});`, url)
	if hidden > 1 {
		t.Errorf("%v pixels of the log are below what is seen", hidden)
	}
}

func TestBrowserRefusedName(t *testing.T) {
	url := startChat(t, "")
	tab := peers.Node(t)
	tab.Eval(t, nil, driveChat)
	var text string
	tab.Eval(t, &text, `
		const page = await ctx.browser.newPage();
		await page.goto(args[0]);
		await page.fill("#name", "   ");
		await page.click("#enter button");
		await page.locator("#refusal:not(:empty)").waitFor({ timeout: 10_000 });
		return page.locator("#refusal").textContent()`, url)
	if want := "a name has 1 to 32 characters"; text != want {
		t.Errorf("the page shows %q, want %q", text, want)
	}
}

// checkTogether runs chatTogether on two addresses, in a room of its own. With CHAT_SCREENSHOTS set to a folder it leaves pictures of the page there.
func checkTogether(t *testing.T, a, b, room string) {
	t.Helper()
	pictures := ""
	if dir := os.Getenv("CHAT_SCREENSHOTS"); dir != "" {
		pictures = filepath.Join(dir, room)
	}
	tab := peers.Node(t)
	tab.Eval(t, nil, driveChat)
	var got together
	tab.Eval(t, &got, chatTogether, a, b, room, pictures)
	if len(got.Heard) != 3 {
		t.Errorf("Bob read %q, want the three messages of his room", got.Heard)
	}
	if len(got.Members) != 1 || got.Members[0] != "Bob (you)" {
		t.Errorf("when the others have left, Bob sees the members %q", got.Members)
	}
	if len(got.Errors) > 0 {
		t.Errorf("errors in the browser: %q", got.Errors)
	}
	if got.Unsafe {
		t.Error("a message ran as code in the page")
	}
}

// startNodeChat runs the chat's twin on the Node.js server and returns its address.
func startNodeChat(t *testing.T, redisURL string) string {
	t.Helper()
	port := peers.FreePort(t)
	node := peers.Node(t)
	var url string
	node.Eval(t, &url, `
		const { startChat } = await import(args[0] + "/chat.mjs");
		await startChat({ port: args[1], redis: args[2] });
		return "http://127.0.0.1:" + args[1] + "/"`, peers.NodeDir(t), port, redisURL)
	return url
}
