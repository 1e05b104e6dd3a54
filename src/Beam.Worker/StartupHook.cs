/// <summary>How a self-contained program becomes a child process: the runtime calls this before its Main, which never begins.</summary>
internal static class StartupHook
{
    public static void Initialize() => Beam.Processes.ChildProcessMain.RunAsStartupHook();
}
